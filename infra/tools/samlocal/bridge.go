package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
)

// bridge is how containers reach this machine.
//
// Docker Desktop brings them to our loopback under the name host.docker.internal. A Docker that runs on this machine
// itself doesn't: there the containers see us at the address of Docker's bridge, where nobody listens, because the
// servers are for this machine alone. So this program listens there and passes on what it hears.
type bridge struct {
	address string // of ours on Docker's bridge; empty under Docker Desktop
}

func findBridge(ctx context.Context) (bridge, error) {
	format := `{{index .Options "com.docker.network.bridge.name"}}`
	out, err := exec.CommandContext(ctx, "docker", "network", "inspect", "bridge", "--format", format).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return bridge{}, fmt.Errorf("ask Docker for its bridge: %s", strings.TrimSpace(string(exit.Stderr)))
	}
	if err != nil {
		return bridge{}, fmt.Errorf("ask Docker for its bridge: %w", err)
	}
	device, err := net.InterfaceByName(strings.TrimSpace(string(out)))
	if err != nil {
		return bridge{}, nil // in Docker Desktop's own machine, not on ours
	}
	addresses, err := device.Addrs()
	if err != nil {
		return bridge{}, err
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && network.IP.To4() != nil {
			return bridge{network.IP.String()}, nil
		}
	}
	return bridge{}, fmt.Errorf("the bridge of Docker, %s, has no address", device.Name)
}

// reachable returns the address under which containers reach a server: a server of this machine, which listens on the
// loopback, by another name or by the bridge, and one of another machine as it is. Addresses are http://host:port.
func (b bridge) reachable(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return server, nil
	}
	if b.address == "" {
		u.Host = net.JoinHostPort("host.docker.internal", u.Port())
		return u.String(), nil
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(b.address, "0"))
	if err != nil {
		return "", fmt.Errorf("listen for containers: %w", err)
	}
	local := u.Host
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(from, local)
		}
	}()
	u.Host = listener.Addr().String()
	return u.String(), nil
}

// pass connects a container's connection with the server, until either side ends it.
func pass(from net.Conn, server string) {
	defer from.Close()
	to, err := net.Dial("tcp", server)
	if err != nil {
		return // the container sees its connection end, as it would at the server
	}
	defer to.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(way[1], way[0])
			done <- struct{}{}
		}()
	}
	<-done
}
