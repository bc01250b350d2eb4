package template

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, text string) *Template {
	t.Helper()
	tmpl, err := Parse("template.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func TestTheProjectsOwnTemplateIsUnderstood(t *testing.T) {
	t.Parallel()
	tmpl, err := Load(filepath.Join("..", "..", "..", "template.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(tmpl.Tables) == 0 || len(tmpl.Queues) == 0 || len(tmpl.Functions) == 0 {
		t.Errorf("got %d tables, %d queues, %d functions", len(tmpl.Tables), len(tmpl.Queues), len(tmpl.Functions))
	}
}

func FuzzParse(f *testing.F) {
	own, err := os.ReadFile(filepath.Join("..", "..", "..", "template.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add([]byte("Resources: {A: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub '${B}'}}}"))
	f.Add([]byte("Conditions: {A: !Not [!Condition A]}\nResources: {Q: {Type: x, Condition: A}}"))
	f.Fuzz(func(t *testing.T, text []byte) { Parse("t", text, nil) })
}

const whole = `
Parameters:
  Stage: { Type: String, Default: test, AllowedValues: [test, live] }
  AppSecret: { Type: String, NoEcho: true, MinLength: 8 }
Conditions:
  IsLive: !Equals [!Ref Stage, live]
  IsTest: !Not [!Condition IsLive]
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    CodeUri: .
    Timeout: 30
    MemorySize: 256
    Environment: { Variables: { EVERYWHERE: yes, STAGE: global } }
Resources:
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      StreamSpecification: { StreamViewType: NEW_IMAGE }
      TimeToLiveSpecification: { AttributeName: gone, Enabled: true }
      AttributeDefinitions: [{ AttributeName: a, AttributeType: S }, { AttributeName: b, AttributeType: N }]
      KeySchema: [{ AttributeName: a, KeyType: HASH }, { AttributeName: b, KeyType: RANGE }]
  Key:
    Type: AWS::SecretsManager::Secret
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${AWS::StackName}-jobs.fifo"
      FifoQueue: true
      VisibilityTimeout: 60
      RedrivePolicy: { deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 4 }
  Dead:
    Type: AWS::SQS::Queue
    Properties: { FifoQueue: true }
  LiveOnly:
    Type: AWS::SQS::Queue
    Condition: IsLive
  Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties: { Anything: [goes, !GetAtt Here.TooIsNotLookedAt] }
  WorkFunction:
    Type: AWS::Serverless::Function
    Properties:
      ReservedConcurrentExecutions: 3
      Environment:
        Variables:
          STAGE: !If [IsTest, !Sub "on-${Stage}", other]
          NOTHING: !If [IsLive, x, !Ref AWS::NoValue]
          KEY: !Sub "{{resolve:secretsmanager:${Key}}}"
          QUEUE: !Ref Jobs
          NAMES: !Join [",", [!Ref Things, !GetAtt Jobs.QueueName, "${x}"]]
          LITERAL: !Sub ["${!Not} ${Own} ${AWS::Region}", { Own: !Ref AppSecret }]
          LONG: { "Fn::Sub": "${Things.StreamArn}" }
      Events:
        Get: { Type: HttpApi, Properties: { Method: get, Path: "/things/{id}", TimeoutInMillis: 5000 } }
        Rest: { Type: HttpApi }
        Queue:
          Type: SQS
          Properties: { Queue: !GetAtt Jobs.Arn, BatchSize: 5, ScalingConfig: { MaximumConcurrency: 2 }, FunctionResponseTypes: [ReportBatchItemFailures] }
        Stream:
          Type: DynamoDB
          Properties: { Stream: !GetAtt Things.StreamArn, StartingPosition: LATEST, MaximumRetryAttempts: 7 }
        Tick: { Type: Schedule, Properties: { Schedule: rate(1 minute), Enabled: false } }
`

func TestAWholeTemplate(t *testing.T) {
	t.Parallel()
	tmpl := parse(t, whole)

	if table := tmpl.Tables[0]; table.Key != (Key{"a", "b"}) || table.Stream != "NEW_IMAGE" || table.Expiry != "gone" || len(table.Attributes) != 2 {
		t.Errorf("the table is %+v", table)
	}
	if len(tmpl.Queues) != 2 {
		t.Fatalf("got %d queues, want those whose condition holds", len(tmpl.Queues))
	}
	jobs := tmpl.Queues[0]
	if name, err := jobs.PhysicalName("s"); err != nil || name != "s-jobs.fifo" {
		t.Errorf("the queue is named %q, %v", name, err)
	}
	if name, err := tmpl.Queues[1].PhysicalName("s"); err != nil || name != "s-Dead.fifo" {
		t.Errorf("the queue without a name is named %q, %v", name, err)
	}
	if jobs.DeadTarget != "Dead" || jobs.MaxReceive != 4 || jobs.Visibility != time.Minute || jobs.Attributes["VisibilityTimeout"] != "60" {
		t.Errorf("the queue is %+v", jobs)
	}

	f := tmpl.Functions[0]
	if f.Timeout != 30*time.Second || f.Memory != 256 || f.Concurrency != 3 {
		t.Errorf("the function is %+v", f)
	}
	for variable, want := range map[string]string{
		"EVERYWHERE": "yes", "STAGE": "on-test", "KEY": "local-Key", "QUEUE": "<!Ref Jobs>",
		"NAMES": "<!Ref Things>,<!GetAtt Jobs.QueueName>,${x}", "LITERAL": "${Not} local-app-secret eu-west-1",
		"LONG": "<!GetAtt Things.StreamArn>",
	} {
		got, err := f.Environment[variable].Resolve(func(r Reference) (string, error) { return "<" + r.String() + ">", nil })
		if err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", variable, got, err, want)
		}
	}
	if _, ok := f.Environment["NOTHING"]; ok {
		t.Error("AWS::NoValue gave a variable")
	}
	if want := (Route{"Get", "GET", "/things/{id}", 5 * time.Second}); f.Routes[0] != want {
		t.Errorf("the route is %+v, want %+v", f.Routes[0], want)
	}
	if want := (Route{"Rest", "ANY", "", 30 * time.Second}); f.Routes[1] != want {
		t.Errorf("the route is %+v, want %+v", f.Routes[1], want)
	}
	if want := (QueueSource{"Queue", "Jobs", 5, 2, true, false}); f.Queues[0] != want {
		t.Errorf("the queue source is %+v, want %+v", f.Queues[0], want)
	}
	if s := f.Streams[0]; s.Table != "Things" || !s.FromNow || s.BatchSize != 100 || s.MaxRetries != 7 || s.Filters != nil {
		t.Errorf("the stream source is %+v", s)
	}
	if want := (Schedule{"Tick", "rate(1 minute)", "", true}); f.Schedules[0] != want {
		t.Errorf("the schedule is %+v, want %+v", f.Schedules[0], want)
	}
}

func TestOverridesWinAndMustFit(t *testing.T) {
	t.Parallel()
	tmpl, err := Parse("t", []byte(whole), map[string]string{"Stage": "live"})
	if err != nil {
		t.Fatal(err)
	}
	if len(tmpl.Queues) != 3 {
		t.Errorf("got %d queues, want also the one for live", len(tmpl.Queues))
	}
	for _, overrides := range []map[string]string{{"Stage": "other"}, {"AppSecret": "short"}, {"Nobody": "x"}} {
		if _, err := Parse("t", []byte(whole), overrides); err == nil {
			t.Errorf("%v was taken", overrides)
		}
	}
}

func TestWhatIsNotSupportedIsRefusedWithItsLine(t *testing.T) {
	t.Parallel()
	const queue = "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n"
	const function = "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n"
	const event = function + "      Events:\n        E:\n"
	for _, c := range []struct{ name, text, want string }{
		{"a section", "Resources: {}\nMappings: {}", "template.yaml:2: the section Mappings"},
		{"a type", "Resources:\n  B:\n    Type: AWS::S3::Bucket", "template.yaml:2: B: the type AWS::S3::Bucket"},
		{"a property", queue + "      Colour: red", "template.yaml:5: Q (AWS::SQS::Queue): the property Colour"},
		{"a nested property", queue + "      RedrivePolicy:\n        speed: 3", "template.yaml:6: RedrivePolicy: the property speed"},
		{"a resource attribute", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    CreationPolicy: {}", "template.yaml:4: CreationPolicy of Q"},
		{"a function", queue + "      QueueName: !Select [0, [a]]", "template.yaml:5: the function Select"},
		{"a long function", queue + "      QueueName: { \"Fn::ImportValue\": x }", "template.yaml:5: the function ImportValue"},
		{"a condition function", "Conditions:\n  C: !Equals [a]\nResources:\n  Q:\n    Type: AWS::SQS::Queue\n    Condition: C", "template.yaml:2: Equals"},
		{"a circle", "Conditions:\n  C: !Not [!Condition C]\nResources:\n  Q:\n    Type: AWS::SQS::Queue\n    Condition: C", "depends on itself"},
		{"an unknown reference", queue + "      QueueName: !Ref Nobody", "template.yaml:5: !Ref Nobody: there is no parameter or resource"},
		{"an unknown reference in a text", queue + "      QueueName: !Sub 'a-${Nobody.Arn}'", "template.yaml:5: !GetAtt Nobody.Arn"},
		{"an unknown attribute", function + "      Environment:\n        Variables:\n          A: !GetAtt F.Version", "template.yaml:7: !GetAtt F.Version: the local stack has no such value"},
		{"the address of a secret", function + "      Environment: { Variables: { A: !Ref S } }\n  S: { Type: AWS::SecretsManager::Secret }", "template.yaml:5: the address of a secret"},
		{"another dynamic reference", function + "      Environment: { Variables: { A: '{{resolve:ssm:x}}' } }", "template.yaml:5: of the dynamic references"},
		{"a number out of range", queue + "      VisibilityTimeout: 43201", "template.yaml:5: must be a whole number from 0 to 43200"},
		{"a word for a truth", queue + "      FifoQueue: maybe", "template.yaml:5: must be true or false"},
		{"another runtime", function + "      Runtime: nodejs24.x", "template.yaml:5: \"nodejs24.x\" is not supported"},
		{"an event type", event + "          Type: S3", "template.yaml:7: \"S3\" is not supported"},
		{"a big batch", event + "          Type: SQS\n          Properties:\n            BatchSize: 100", "template.yaml:9: must be a whole number from 1 to 10"},
		{"a foreign queue", event + "          Type: SQS\n          Properties:\n            Queue: arn:aws:sqs:x", "template.yaml:9: must be !GetAtt X.Arn of an AWS::SQS::Queue"},
		{"a filter", event + "          Type: DynamoDB\n          Properties:\n            FilterCriteria:\n              Filters:\n                - Pattern: '{\"a\": [{\"wildcard\": \"x\"}]}'", "template.yaml:11: event E of F (DynamoDB): filter pattern"},
		{"a schedule", event + "          Type: Schedule\n          Properties:\n            Schedule: rate(1 fortnight)", "is neither rate"},
		{"a key twice", "Resources:\n  Q: { Type: AWS::SQS::Queue }\n  Q: { Type: AWS::SQS::Queue }", "template.yaml:3: \"Q\" stands here a second time"},
		{"an alias", "Resources:\n  Q: &q\n    Type: AWS::SQS::Queue\n    Properties: { Tags: [*q] }", "template.yaml:4: YAML aliases"},
		{"a parameter without a value", "Parameters:\n  P: { Type: String }\nResources: {}", "template.yaml:2: the parameter P has no default"},
		{"two APIs", "Resources:\n  A: { Type: AWS::Serverless::HttpApi }\n  B: { Type: AWS::Serverless::HttpApi }", "template.yaml:3: the local stack serves one"},
		{"mixed dead letters", "Resources:\n  A:\n    Type: AWS::SQS::Queue\n    Properties: { FifoQueue: true, RedrivePolicy: { deadLetterTargetArn: !GetAtt B.Arn, maxReceiveCount: 3 } }\n  B: { Type: AWS::SQS::Queue }", "must both be FIFO"},
	} {
		_, err := Parse("template.yaml", []byte(c.text), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v\nwant %q in it", c.name, err, c.want)
		}
	}
}

func TestAllProblemsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse("t", []byte("Resources:\n  A: { Type: AWS::S3::Bucket }\n  B: { Type: AWS::EC2::VPC }"), nil)
	if err == nil || !strings.Contains(err.Error(), "t:2:") || !strings.Contains(err.Error(), "t:3:") {
		t.Errorf("got %v", err)
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		when, err := time.Parse("2006-01-02 15:04:05", text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct{ expression, after, want string }{
		{"rate(1 minute)", "2026-11-22 10:00:30", "2026-11-22 10:01:30"},
		{"rate(2 hours)", "2026-11-22 10:00:00", "2026-11-22 12:00:00"},
		{"rate(1 day)", "2026-11-22 10:00:00", "2026-11-23 10:00:00"},
		{"cron(0 4 * * ? *)", "2026-11-22 10:00:00", "2026-11-23 04:00:00"},
		{"cron(0/15 * * * ? *)", "2026-11-22 10:16:00", "2026-11-22 10:30:00"},
		{"cron(5,35 10-11 * * ? *)", "2026-11-22 10:40:00", "2026-11-22 11:05:00"},
		{"cron(0 8 ? * 2-6 *)", "2026-11-20 09:00:00", "2026-11-23 08:00:00"}, // from Friday to Monday
		{"cron(0 0 1 1 ? *)", "2026-11-22 10:00:00", "2027-01-01 00:00:00"},
		{"cron(0 0 1 1 ? 2025)", "2026-11-22 10:00:00", "0001-01-01 00:00:00"},
	} {
		times, err := ParseSchedule(c.expression)
		if err != nil {
			t.Errorf("%s: %v", c.expression, err)
			continue
		}
		if got := times.Next(at(c.after)); !got.Equal(at(c.want)) {
			t.Errorf("%s after %s is %v, want %s", c.expression, c.after, got, c.want)
		}
	}
	for _, expression := range []string{"", "rate(0 minutes)", "rate(1 second)", "cron(* * * *)", "cron(60 * * * ? *)", "cron(0 0 L * ? *)", "cron(0 8 ? * MON-FRI *)", "cron(5-1 * * * ? *)", "at(2026-01-01)"} {
		if _, err := ParseSchedule(expression); err == nil {
			t.Errorf("%q was taken", expression)
		}
	}
}
