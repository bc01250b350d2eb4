#!/usr/bin/env bash
# ElasticMQ 1.7.1 (Maven: org.elasticmq:elasticmq-server_3).
#
# StartMessageMoveTask on a FIFO dead-letter queue is accepted, and ListMessageMoveTasks says COMPLETED, but the messages
# stay where they are. On standard queues it moves them. On AWS a task moves the messages of FIFO queues too.
#
# Each dead-letter queue has one message, sent to it directly; its queue names it in a redrive policy.
#
# Needs Java 17, Maven and curl.
set -euo pipefail

expected='standard: COMPLETED, 1 in the queue, 0 dead letters
FIFO: COMPLETED, 0 in the queue, 1 dead letters'

work=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true; rm -rf "$work"' EXIT

cat >"$work/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>findings</groupId><artifactId>elasticmq</artifactId><version>1</version><dependencies>
<dependency><groupId>org.elasticmq</groupId><artifactId>elasticmq-server_3</artifactId><version>1.7.1</version></dependency>
</dependencies></project>
POM
(cd "$work" && mvn --batch-mode dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=jars >maven 2>&1) || {
  cat "$work/maven" >&2
  exit 1
}

port=$((20000 + RANDOM % 10000))
url=http://127.0.0.1:$port

start() {
  java -cp "$work/jars/*" -Dnode-address.host=127.0.0.1 -Dnode-address.port=$port \
    -Drest-sqs.bind-hostname=127.0.0.1 -Drest-sqs.bind-port=$port -Drest-stats.enabled=false \
    org.elasticmq.server.Main >>"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 300); do
    curl -sf "$url/health" >/dev/null 2>&1 && return
    sleep 0.2
  done
  echo 'ElasticMQ does not start' >&2
  exit 1
}

call() { # operation, JSON
  curl -sS "$url" -H "X-Amz-Target: AmazonSQS.$1" -H 'Content-Type: application/x-amz-json-1.0' -d "$2"
}

depth() { # queue
  call GetQueueAttributes '{"QueueUrl":"'"$url/000000000000/$1"'","AttributeNames":["ApproximateNumberOfMessages"]}' |
    sed 's/.*"ApproximateNumberOfMessages":"\([0-9]*\)".*/\1/'
}

pair() { # what, suffix of the names, attributes, what a message needs
  local arn=arn:aws:sqs:elasticmq:000000000000:dead$2 status
  call CreateQueue '{"QueueName":"dead'"$2"'","Attributes":{'"$3"'}}' >/dev/null
  call CreateQueue '{"QueueName":"jobs'"$2"'","Attributes":{'"${3:+$3,}"'"RedrivePolicy":"{\"deadLetterTargetArn\":\"'"$arn"'\",\"maxReceiveCount\":\"1\"}"}}' >/dev/null
  call SendMessage '{"QueueUrl":"'"$url/000000000000/dead$2"'","MessageBody":"dead"'"$4"'}' >/dev/null
  call StartMessageMoveTask '{"SourceArn":"'"$arn"'","DestinationArn":"arn:aws:sqs:elasticmq:000000000000:jobs'"$2"'"}' >/dev/null
  for _ in $(seq 50); do
    status=$(call ListMessageMoveTasks '{"SourceArn":"'"$arn"'"}' | sed 's/.*"Status":"\([A-Z]*\)".*/\1/')
    [[ $status == RUNNING ]] || break
    sleep 0.2
  done
  echo "$1: $status, $(depth "jobs$2") in the queue, $(depth "dead$2") dead letters"
}

seen() {
  start
  pair standard '' '' ''
  pair FIFO .fifo '"FifoQueue":"true"' ',"MessageGroupId":"a","MessageDeduplicationId":"1"'
}

seen >"$work/seen"
cat "$work/seen"
diff <(echo "$expected") "$work/seen" >&2 || {
  echo 'This is not what was seen with 1.7.1.' >&2
  exit 1
}
