package stack

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// output is where all functions print, each line with the function's name before it.
type output struct {
	mu sync.Mutex
	to io.Writer
}

// of is the writer of one function. With a folder the lines also go, without the name, into a file of its own.
func (o *output) of(function, folder string) (*functionOutput, error) {
	f := &functionOutput{output: o, prefix: fmt.Appendf(nil, "%-18s ", function)}
	if folder == "" {
		return f, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(folder, function+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	f.file = file
	return f, nil
}

type functionOutput struct {
	output *output
	prefix []byte
	file   *os.File
}

// noise is what the SDK prints about each error of DynamoDB Local, which sends no checksum with them. DynamoDB does, and
// Dynoxide, and the SDK has no switch in the environment, so the line is dropped here and nowhere in the product.
var noise = []byte("failed to close HTTP response body")

func (f *functionOutput) Write(line []byte) (int, error) {
	if bytes.HasPrefix(line, []byte("SDK ")) && bytes.Contains(line, noise) {
		return len(line), nil
	}
	f.output.mu.Lock()
	defer f.output.mu.Unlock()
	f.output.to.Write(append(f.prefix[:len(f.prefix):len(f.prefix)], line...))
	if f.file != nil {
		f.file.Write(line)
	}
	return len(line), nil
}

func (f *functionOutput) close() {
	if f.file != nil {
		f.file.Close()
	}
}
