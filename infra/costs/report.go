package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"gopkg.in/yaml.v3"

	"chatkeeper/infra/costs/units"
)

// Dollars per million inbound messages, ten a Chat, that it may cost.
var allowed = map[int]float64{1: 5.30, largestBatchPriced: 4.30}

// batches are the sizes that the prices are given for.
var batches = []int{1, 3, largestBatchPriced}

// overBudget says what costs more than it may, and whether a Chat waited though somebody was free.
func overBudget(all []operation) []string {
	var over []string
	for _, o := range all {
		b := budgets[o.Name]
		n := float64(o.Times)
		if (o.Name == opened || o.Name == reopened) && o.Direct < o.Times {
			over = append(over, fmt.Sprintf("%s: %d of %d waited", o.Name, o.Times-o.Direct, o.Times))
		}
		if own := o.Writes - o.Listed; b.Writes > 0 && own > b.Writes*n {
			over = append(over, fmt.Sprintf("%s: %.2f write units, may be %.0f", o.Name, own/n, b.Writes))
		}
		if b.Reads > 0 && o.Reads > b.Reads*n {
			over = append(over, fmt.Sprintf("%s: %.2f read units, may be %.0f", o.Name, o.Reads/n, b.Reads))
		}
	}
	for _, batch := range batches {
		if most := allowed[batch]; most > 0 && inbound(all, batch).total()*million > most {
			over = append(over, fmt.Sprintf("a million inbound messages in batches of %d: %.2f dollars, may be %.2f", batch, inbound(all, batch).total()*million, most))
		}
	}
	return over
}

// inbound is what a message of a customer costs where each Chat has ten: one that opens it, and nine texts.
func inbound(all []operation, batch int) bill {
	return find(all, opened).dollars(batch).plus(find(all, texted).dollars(batch).times(messagesPerChat - 1)).times(1.0 / messagesPerChat)
}

func find(all []operation, name string) operation {
	i := slices.IndexFunc(all, func(o operation) bool { return o.Name == name })
	if i < 0 {
		panic("the day has no " + name)
	}
	return all[i]
}

// print writes the report.
func print(to io.Writer, all []operation, idle []idleCost) {
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(format string, args ...any) { fmt.Fprintf(out, format+"\t\n", args...) }
	row("one of each\ttimes\twrite units\tbudget\tread units\tbudget\tDynamoDB requests\trefused\tSQS sends\tstream records\tlog bytes")
	for _, o := range all {
		n := float64(o.Times)
		writes, reads := "", ""
		if b := budgets[o.Name]; b.Writes > 0 {
			writes = fmt.Sprintf("%.0f", b.Writes)
			if b.Reads > 0 {
				reads = fmt.Sprintf("%.0f", b.Reads)
			}
		}
		row("%s\t%d\t%.2f\t%s\t%.2f\t%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.0f", o.Name, o.Times, (o.Writes-o.Listed)/n, writes, o.Reads/n, reads,
			float64(o.Requests)/n, float64(o.Refused)/n, float64(o.Sends)/n, float64(o.Records)/n, float64(o.LogBytes)/n)
	}
	out.Flush()
	for _, name := range []string{opened, reopened} {
		o := find(all, name)
		fmt.Fprintf(to, "%s: %d of %d had their owner in the transaction that opened them\n", name, o.Direct, o.Times)
	}
	for _, name := range []string{openedLate, reopenedLate} {
		o := find(all, name)
		fmt.Fprintf(to, "%s: and %.0f write units for the pool's place in the directory, whatever number of Chats wait in it\n", name, o.Listed/float64(o.Times))
	}

	fmt.Fprintf(to, "\ndollars per million, us-east-1, when each batch from a queue or stream holds so many\n")
	row("\t1\t3\t10\tat 1: API\tLambda\tSQS\tDynamoDB\tlogs")
	dollars := func(name string, of func(batch int) bill) {
		b := of(1).times(million)
		row("%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f", name, b.total(), of(3).total()*million, of(10).total()*million,
			b.API, b.Lambda, b.Queue, b.DynamoDB, b.Logs)
	}
	dollars("inbound messages, ten a Chat", func(batch int) bill { return inbound(all, batch) })
	row("budget\t%.2f\t\t%.2f\t\t\t\t\t", allowed[1], allowed[10])
	for _, o := range all {
		if o.Name != signedIn {
			dollars(o.Name, o.dollars)
		}
	}
	out.Flush()

	fmt.Fprintf(to, "\ndollars a month when nothing happens\n")
	total := 0.0
	for _, i := range idle {
		row("%s\t%.2f", i.What, i.Dollars)
		total += i.Dollars
	}
	row("together\t%.2f", total)
	out.Flush()
	fmt.Fprintf(to, "and for each GB of data %.2f to store it, %.2f to be able to restore it\n", perGBStored, perGBBackup)
}

// printCalls writes which function made which requests.
func printCalls(to io.Writer, all []operation) {
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "\nwho asked for what\trequests\twrite units\tread units\n")
	for _, o := range all {
		fmt.Fprintf(out, "%s\t\t\t\n", o.Name)
		calls := make([]units.Call, 0, len(o.By))
		for call := range o.By {
			calls = append(calls, call)
		}
		slices.SortFunc(calls, func(a, b units.Call) int { return strings.Compare(a.By+a.Operation, b.By+b.Operation) })
		for _, call := range calls {
			c, n := o.By[call], float64(o.Times)
			fmt.Fprintf(out, "  %s %s\t%.2f\t%.2f\t%.2f\n", call.By, call.Operation, float64(c.Requests)/n, c.Writes/n, c.Reads/n)
		}
	}
	out.Flush()
}

// idleCost is something that costs though nothing happens.
type idleCost struct {
	What    string
	Dollars float64
}

// idle reads from template.yaml what costs though nothing happens. minutely is what one run of the functions on a schedule
// cost; a schedule is taken to be of a minute.
func idle(w *world, minutely operation) ([]idleCost, error) {
	text, err := os.ReadFile(filepath.Join(w.Root(), "template.yaml"))
	if err != nil {
		return nil, err
	}
	var template struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				MetricTransformations []struct {
					MetricName string `yaml:"MetricName"`
				} `yaml:"MetricTransformations"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		return nil, fmt.Errorf("template.yaml: %w", err)
	}
	has, metrics := map[string]float64{}, map[string]bool{}
	for _, r := range template.Resources {
		has[r.Type]++
		for _, m := range r.Properties.MetricTransformations {
			metrics[m.MetricName] = true // several filters may count into one
		}
	}
	sources, schedules := 0.0, 0.0
	for _, f := range w.Template.Functions {
		sources += float64(len(f.Queues))
		schedules += float64(len(f.Schedules))
	}
	all := []idleCost{
		{fmt.Sprintf("secrets: %.0f", has["AWS::SecretsManager::Secret"]), has["AWS::SecretsManager::Secret"] * perSecret},
		{fmt.Sprintf("alarms: %.0f", has["AWS::CloudWatch::Alarm"]), has["AWS::CloudWatch::Alarm"] * perAlarm},
		{fmt.Sprintf("metrics made of logs, once they have a value: %d", len(metrics)), float64(len(metrics)) * perMetric},
		{fmt.Sprintf("empty receives of Lambda's pollers: %.0f, at %.0f queues", sources*pollers*pollsPerMinute*minutesPerMonth, sources),
			sources * pollers * pollsPerMinute * minutesPerMonth * perFIFORequest},
	}
	if schedules > 0 {
		b := minutely.dollars(1)
		each := b.total() + schedules*(perInvocation+apiTime/1000*gbPerMachine*perGBSecond)
		all = append(all, idleCost{fmt.Sprintf("schedules, every minute: %.0f, with %.1f write and %.1f read units", schedules, minutely.Writes, minutely.Reads),
			each * minutesPerMonth})
	}
	return all, nil
}
