package morning

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// delivery is a POST that is repeated until it is acknowledged.
type delivery struct {
	body  []byte
	acked bool
}

// deliveries is the list of everything that was sent.
type deliveries struct {
	mu       sync.Mutex
	all      []*delivery
	posts    int // acknowledged ones, copies included
	repeated int // POSTs that had to be made again
}

func (l *deliveries) add(body []byte) *delivery {
	d := &delivery{body: body}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, d)
	return d
}

func (l *deliveries) acked(d *delivery) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.acked = true
	l.posts++
}

func (l *deliveries) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.repeated++
}

func (l *deliveries) counts() (sent, acknowledged, repeated int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all), l.posts, l.repeated
}

// acknowledged are the bodies that the webhook has answered with 200 at least once.
func (l *deliveries) acknowledged() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	var bodies [][]byte
	for _, d := range l.all {
		if d.acked {
			bodies = append(bodies, d.body)
		}
	}
	return bodies
}

// final is an error that no repetition mends.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// deliver posts a delivery, as several copies at once if there is to be more than one, each until it is acknowledged.
func (p *play) deliver(ctx context.Context, d *delivery, copies int) error {
	var all sync.WaitGroup
	errs := make([]error, copies)
	for i := range copies {
		all.Go(func() {
			errs[i] = p.persist(ctx, "delivering", func() error { return p.post(ctx, d) })
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// post posts it once. Like WhatsApp it takes 200 alone for an acknowledgement.
func (p *play) post(ctx context.Context, d *delivery) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	status, err := p.Line.Post(ctx, d.body)
	switch {
	case err == nil && status == http.StatusOK:
		p.deliveries.acked(d)
		return nil
	case err == nil && status == http.StatusUnauthorized:
		return final{errors.New("the webhook takes the signature for a wrong one: it has another app secret")}
	case err == nil && status >= 400 && status < 500 && status != http.StatusTooManyRequests:
		return final{fmt.Errorf("the webhook answers %d", status)}
	}
	p.deliveries.again()
	if err == nil {
		err = fmt.Errorf("the webhook answers %d", status)
	}
	return err
}

// Pauses between two tries, while the stack does not answer.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 3 * time.Second
)

// persist tries until it works, for as long as the stack may be away.
func (p *play) persist(ctx context.Context, doing string, try func() error) error {
	deadline := time.Now().Add(p.Patience)
	pause := firstPause
	for {
		err := try()
		var end final
		switch {
		case err == nil:
			return nil
		case errors.As(err, &end):
			return fmt.Errorf("%s: %w", doing, err)
		case time.Now().Add(pause).After(deadline):
			return fmt.Errorf("%s: the stack stayed away for %v: %w", doing, p.Patience, err)
		}
		p.Progress(Progress{Doing: doing, Trouble: "the stack does not answer, trying again"})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// workers is how many scripts are played side by side.
const workers = 12

// together plays scripts side by side, the steps of each one after the other. The first error ends all of them.
func (p *play) together(ctx context.Context, doing string, scripts [][]func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	total := 0
	queue := make(chan []func(context.Context) error, len(scripts))
	for _, s := range scripts {
		total += len(s)
		queue <- s
	}
	close(queue)
	p.Progress(Progress{Doing: doing, Total: total})
	var all sync.WaitGroup
	var done atomic.Int64
	for range workers {
		all.Go(func() {
			for script := range queue {
				for _, step := range script {
					if ctx.Err() != nil {
						return
					}
					if err := step(ctx); err != nil {
						cancel(err)
						return
					}
					p.Progress(Progress{Doing: doing, Done: int(done.Add(1)), Total: total})
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
