package streams

import (
	"fmt"
	"sync"

	"chatkeeper/infra/local/statefile"
)

// Checkpoints remembers how far an event source has come in each shard of a stream. With a file it survives the process;
// it is written after every batch, so that a restart repeats one batch at most.
type Checkpoints struct {
	file string // empty: in memory

	mu    sync.Mutex
	state state
}

type state struct {
	Stream string              `json:"stream"` // its ARN; another one begins anew
	Shards map[string]position `json:"shards"`
}

type position struct {
	After string `json:"after,omitempty"` // sequence number of the last record that is done; empty: none yet
	Done  bool   `json:"done,omitempty"`  // the shard is closed and read to its end
}

// OpenCheckpoints reads the checkpoints in file, if it is there. An empty name keeps them in memory.
func OpenCheckpoints(file string) (*Checkpoints, error) {
	c := &Checkpoints{file: file}
	if file == "" {
		return c, nil
	}
	if err := statefile.Load(file, &c.state); err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	return c, nil
}

// of returns the position in a shard; known is false for a shard never seen before. The checkpoints of another stream,
// of a table that was there before, count for nothing.
func (c *Checkpoints) of(stream, shard string) (p position, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Stream != stream {
		return position{}, false
	}
	p, known = c.state.Shards[shard]
	return p, known
}

func (c *Checkpoints) set(stream, shard string, p position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Stream != stream || c.state.Shards == nil {
		c.state = state{Stream: stream, Shards: map[string]position{}}
	}
	if old, known := c.state.Shards[shard]; known && old == p {
		return nil
	}
	c.state.Shards[shard] = p
	if c.file == "" {
		return nil
	}
	return statefile.Save(c.file, c.state)
}

// keep drops the shards that the stream no longer has, and says how many of them had not been read to their end.
func (c *Checkpoints) keep(stream string, shards map[string]bool) (lost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Stream != stream {
		return 0
	}
	for shard, p := range c.state.Shards {
		if shards[shard] {
			continue
		}
		delete(c.state.Shards, shard)
		if !p.Done {
			lost++
		}
	}
	return lost
}
