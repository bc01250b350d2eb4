// Command probe is a function for tests: its input says what it does.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type input struct {
	Do   string `json:"do"`
	Text string `json:"text"`
}

type output struct {
	Text     string `json:"text"`
	PID      int    `json:"pid"`
	Left     int64  `json:"left"` // milliseconds until the deadline
	Function string `json:"function"`
	Memory   int    `json:"memory"`
}

func main() {
	if path := os.Getenv("FAILS_WHILE_EXISTS"); path != "" {
		if _, err := os.Stat(path); err == nil {
			fmt.Fprintln(os.Stderr, "no start today")
			os.Exit(3)
		}
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, in input) (output, error) {
	switch in.Do {
	case "fail":
		return output{}, errors.New("as asked")
	case "exit":
		os.Exit(4)
	case "die":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "panic":
		panic("as asked")
	case "hang":
		select {}
	case "wait": // until the file is there
		for {
			if _, err := os.Stat(in.Text); err == nil {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	case "print":
		fmt.Println(in.Text)
	case "env":
		return output{Text: fmt.Sprint(os.Environ())}, nil
	}
	deadline, _ := ctx.Deadline()
	return output{
		Text: in.Text, PID: os.Getpid(), Left: time.Until(deadline).Milliseconds(),
		Function: lambdacontext.FunctionName, Memory: lambdacontext.MemoryLimitInMB,
	}, nil
}
