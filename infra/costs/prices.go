package main

// Prices of us-east-1 in dollars, on demand, without free tiers and volume discounts, as AWS's price pages had them in
// November 2026. Data that leaves for the internet, Cognito and mails are left out.
const (
	million = 1e6

	perWriteUnit = 0.625 / million // https://aws.amazon.com/dynamodb/pricing/on-demand/
	perReadUnit  = 0.125 / million
	perGBStored  = 0.25 // a month
	perGBBackup  = 0.20 // a month, point-in-time recovery

	perFIFORequest = 0.50 / million // https://aws.amazon.com/sqs/pricing/

	perInvocation = 0.20 / million // https://aws.amazon.com/lambda/pricing/, arm64
	perGBSecond   = 0.0000133334

	perHTTPRequest = 1.00 / million // https://aws.amazon.com/api-gateway/pricing/, HTTP API

	perLogByte = 0.50 / (1 << 30) // https://aws.amazon.com/cloudwatch/pricing/
	perAlarm   = 0.10             // a month
	perMetric  = 0.30             // a month, made of logs

	perSecret = 0.40 // a month, https://aws.amazon.com/secrets-manager/pricing/
)

// What CloudWatch adds to each line of a log before it bills it.
const bytesPerLogLine = 26

// What Lambda bills for an invocation, in milliseconds. These are assumptions, not measurements: a function of 128 MB has
// a small part of a processor, and most of its time it waits for DynamoDB or SQS, both of which a laptop can't show. Start
// of instances is left out.
const (
	webhookTime  = 10.0
	apiTime      = 25.0
	batchTime    = 4.0 // of an invocation by a queue or stream, and for each message
	messageTime  = 12.0
	recordTime   = 6.0 // and for each stream record
	gbPerMachine = 128.0 / 1024
)

// How Lambda polls a queue with nothing in it: five pollers, each asks every 20 seconds, and SQS bills every request. A
// stream is polled for nothing. https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
const (
	pollers            = 5
	pollsPerMinute     = 3
	minutesPerMonth    = 60 * 24 * 365 / 12
	messagesPerChat    = 10
	largestBatchPriced = 10
)

// dollars is what one of the operations costs when every batch from a queue or stream holds so many.
func (o operation) dollars(batch int) bill {
	n, b := float64(o.Times), float64(batch)
	webhook, api := float64(o.Deliveries), float64(o.Calls)
	batches := (float64(o.Queued) + float64(o.Records)) / b
	time := webhook*webhookTime + api*apiTime + batches*batchTime + float64(o.Queued)*messageTime + float64(o.Records)*recordTime
	return bill{
		API:      (webhook + api) * perHTTPRequest / n,
		Lambda:   ((webhook+api+batches)*perInvocation + time/1000*gbPerMachine*perGBSecond) / n,
		Queue:    (float64(o.Sends) + 2*float64(o.Queued)/b) * perFIFORequest / n, // received and deleted by the batch
		DynamoDB: (o.Writes*perWriteUnit + o.Reads*perReadUnit) / n,
		Logs:     float64(o.LogBytes) * perLogByte / n,
	}
}

// bill is dollars by service.
type bill struct{ API, Lambda, Queue, DynamoDB, Logs float64 }

func (b bill) total() float64 { return b.API + b.Lambda + b.Queue + b.DynamoDB + b.Logs }

func (b bill) times(n float64) bill {
	return bill{b.API * n, b.Lambda * n, b.Queue * n, b.DynamoDB * n, b.Logs * n}
}

func (b bill) plus(c bill) bill {
	return bill{b.API + c.API, b.Lambda + c.Lambda, b.Queue + c.Queue, b.DynamoDB + c.DynamoDB, b.Logs + c.Logs}
}
