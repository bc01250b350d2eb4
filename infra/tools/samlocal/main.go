// Command samlocal runs `sam local` on the functions in .aws-sam/local, beside a running `make run`: the same tables,
// queues and settings as there, in Lambda's own containers. `make sam-local` and `make sam-invoke` build and call it:
//
//	samlocal start-api --port 3000
//	samlocal invoke WebhookFunction --event infra/events/webhook-message.json
//
// It takes `sam local`'s arguments, run from the top of the project, and exits as `sam local` does. Three things are
// prepared that SAM leaves to others: the values of the functions' environment variables (SAM knows no resources'
// names), the endpoints of the local servers, and a way to them for containers, whose own loopback is another one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"chatkeeper/infra/local/running"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/template"
)

const (
	templateFile    = "template.yaml"
	builtFolder     = ".aws-sam/local"
	environmentFile = builtFolder + "/environment.json"
)

func main() {
	code, err := run(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string) (exitCode int, err error) {
	if len(args) == 0 {
		return 2, errors.New("usage: samlocal start-api|invoke [ARGUMENT…]")
	}
	stack, err := running.Find(ctx)
	if err != nil {
		return 1, err
	}
	t, err := template.Load(templateFile, map[string]string{"Issuer": stack.Place.IssuerURL})
	if err != nil {
		return 1, err
	}
	values, err := environment(ctx, t, stack.SQS, stack.Place.Name)
	if err != nil {
		return 1, err
	}
	b, err := findBridge(ctx)
	if err != nil {
		return 1, err
	}
	dynamoDB, err := b.reachable(stack.Place.DynamoDB)
	if err != nil {
		return 1, err
	}
	elasticMQ, err := b.reachable(stack.Place.ElasticMQ)
	if err != nil {
		return 1, err
	}
	issuer, err := b.reachable(stack.Place.IssuerURL)
	if err != nil {
		return 1, err
	}
	// The AWS SDK reads its endpoints from these, and whoever verifies tokens where the issuer's keys are.
	endpoints := map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB":         dynamoDB,
		"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": dynamoDB,
		"AWS_ENDPOINT_URL_SQS":              elasticMQ,
		"ISSUER_ADDRESS":                    strings.TrimPrefix(issuer, "http://"),
	}
	if err := writeEnvironment(environmentFile, values, endpoints); err != nil {
		return 1, err
	}
	if err := adaptTemplate(filepath.Join(builtFolder, "template.yaml"), endpoints, lambdaArchitecture()); err != nil {
		return 1, err
	}
	return sam(ctx, args)
}

// sam runs `sam local` to its end. The terminal's Ctrl-C reaches it by itself; this program only waits for it then.
func sam(ctx context.Context, args []string) (exitCode int, err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	line := append([]string{"local", args[0], "--template-file", filepath.Join(builtFolder, "template.yaml"),
		"--env-vars", environmentFile}, args[1:]...)
	command := exec.CommandContext(ctx, "infra/tools/sam", line...)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // so that it removes its containers
	command.Env = localCredentials(os.Environ())
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if len(interrupted) > 0 {
			return 0, nil // ended as asked
		}
		return max(exit.ExitCode(), 1), nil // -1 where a signal ended it
	}
	if err != nil {
		return 1, fmt.Errorf("start the SAM CLI: %w", err)
	}
	return 0, nil
}

// localCredentials replaces the caller's AWS account by one that exists on the local servers only: SAM passes the
// caller's on to the functions, and a wrong endpoint must not reach it.
func localCredentials(environment []string) []string {
	var out []string
	for _, variable := range environment {
		if !strings.HasPrefix(variable, "AWS_") {
			out = append(out, variable)
		}
	}
	return append(out, "AWS_ACCESS_KEY_ID="+servers.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+servers.SecretAccessKey,
		"AWS_DEFAULT_REGION="+servers.Region)
}

// lambdaArchitecture is this machine's, as Lambda spells it. A container of another one would need an emulator.
func lambdaArchitecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}
