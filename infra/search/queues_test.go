package search

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/infra/local/servers"
)

// queue is a FIFO queue as SQS has them: a group has one batch on the way at most, and comes in the order it was sent; what
// has the deduplication id of something sent within five minutes is not stored. No run takes so long.
type queue struct {
	name     string
	batch    int
	receives int // before a message is a dead letter
	messages []*message
	dead     []*message
	seen     map[string]bool // group and deduplication id
	busy     map[string]*invocation
	rests    map[string]bool // groups that come again when nothing else can move
}

type message struct {
	id, group, body string
	sent            time.Time
	receives        int
}

func (q *queue) url() string { return "http://queue.invalid/" + servers.Account + "/" + q.name }

func (q *queue) arn() string {
	return "arn:aws:sqs:" + servers.Region + ":" + servers.Account + ":" + q.name
}

// send stores a message unless its deduplication id was seen in its group.
func (q *queue) send(id, group, dedup, body string) {
	if q.seen[group+"\n"+dedup] {
		return
	}
	q.seen[group+"\n"+dedup] = true
	q.messages = append(q.messages, &message{id: id, group: group, body: body, sent: time.Now()})
}

// groups are the groups that could be taken now, in the order of their first message.
func (q *queue) groups() []string {
	var all []string
	seen := map[string]bool{}
	for _, m := range q.messages {
		if !seen[m.group] && q.busy[m.group] == nil && !q.rests[m.group] {
			all = append(all, m.group)
		}
		seen[m.group] = true
	}
	return all
}

// head is the beginning of a group.
func (q *queue) head(group string, n int) []*message {
	var all []*message
	for _, m := range q.messages {
		if m.group == group && len(all) < n {
			all = append(all, m)
		}
	}
	return all
}

func (q *queue) remove(m *message) {
	for i, other := range q.messages {
		if other == m {
			q.messages = append(q.messages[:i:i], q.messages[i+1:]...)
			return
		}
	}
}

func (q *queue) event(messages []*message) []byte {
	var event events.SQSEvent
	for _, m := range messages {
		event.Records = append(event.Records, events.SQSMessage{
			MessageId: m.id, ReceiptHandle: m.id + "/" + strconv.Itoa(m.receives), Body: m.body, Md5OfBody: sum(m.body),
			EventSource: "aws:sqs", EventSourceARN: q.arn(), AWSRegion: servers.Region,
			Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.receives), "MessageGroupId": m.group,
				"SentTimestamp": strconv.FormatInt(m.sent.UnixMilli(), 10), "SenderId": "local"},
		})
	}
	out, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return out
}

func sum(body string) string {
	s := md5.Sum([]byte(body))
	return hex.EncodeToString(s[:])
}

// sqs does a request of a function for SQS.
func (r *run) sqs(c *call) answer {
	var in struct {
		QueueUrl string
		Entries  []struct{ Id, MessageBody, MessageGroupId, MessageDeduplicationId string }
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		r.broken(err)
	}
	q := r.queueAt(in.QueueUrl)
	if q == nil {
		return refusal("com.amazonaws.sqs#QueueDoesNotExist")
	}
	type done struct {
		Id, MessageId, MD5OfMessageBody string
	}
	var all []done
	for _, e := range in.Entries {
		r.sequence++
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", r.sequence)
		// What the sweeper's net signals goes nowhere: nothing may need it.
		if c.action == "SendMessageBatch" && !strings.HasPrefix(c.slot, "SweeperFunction") {
			q.send(id, e.MessageGroupId, e.MessageDeduplicationId, e.MessageBody)
		}
		all = append(all, done{e.Id, id, sum(e.MessageBody)})
	}
	body, err := json.Marshal(map[string]any{"Successful": all})
	if err != nil {
		panic(err)
	}
	switch c.action {
	case "SendMessageBatch", "ChangeMessageVisibilityBatch": // messages that failed come when it is their turn
		return answer{status: http.StatusOK, body: body}
	}
	r.broken(fmt.Errorf("nobody has said what %s does", c.action))
	return answer{cut: true}
}

func (r *run) queueAt(url string) *queue {
	for _, q := range r.queues {
		if q.url() == url {
			return q
		}
	}
	return nil
}
