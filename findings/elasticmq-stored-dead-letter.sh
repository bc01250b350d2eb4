#!/usr/bin/env bash
# ElasticMQ 1.7.1 (Maven: org.elasticmq:elasticmq-server_3), messages stored on disk.
#
# A message that a waiting receive (WaitTimeSeconds) moves to the dead-letter queue stays in its old queue's table as well.
# After the next start the old queue has it again, and moving it a second time fails in the database; the log says so once.
# From then on nothing is stored: sends and deletes are answered as ever and reach memory only, so that a message which is
# acknowledged then is gone after one more start, though no request has failed. A receive that does not wait moves
# properly. On AWS the message is moved, and what was acknowledged is kept.
#
# A queue has a dead-letter queue and maxReceiveCount 1. Its only message is received until it is moved. The server is ended
# by SIGTERM and started again, and the message received until it is moved again. Then a message is sent to another queue,
# and the server ended by SIGTERM and started again.
#
# Needs Java 17, Maven and curl.
set -euo pipefail

expected='after the move: queue 0, dead letters 1
after a start: queue 1, dead letters 1
sent to another queue: acknowledged, 1 there
after the next start: 0 there'

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
    -Dmessages-storage.enabled=true "-Dmessages-storage.uri=jdbc:h2:$work/elasticmq" \
    org.elasticmq.server.Main >>"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 300); do
    curl -sf "$url/health" >/dev/null 2>&1 && return
    sleep 0.2
  done
  echo 'ElasticMQ does not start' >&2
  exit 1
}

restart() {
  kill "$server"
  wait "$server" || true
  start
}

call() { # operation, JSON
  curl -sS "$url" -H "X-Amz-Target: AmazonSQS.$1" -H 'Content-Type: application/x-amz-json-1.0' -d "$2"
}

depth() { # queue
  call GetQueueAttributes '{"QueueUrl":"'"$url/000000000000/$1"'","AttributeNames":["ApproximateNumberOfMessages"]}' |
    sed 's/.*"ApproximateNumberOfMessages":"\([0-9]*\)".*/\1/'
}

receive() { call ReceiveMessage '{"QueueUrl":"'"$url/000000000000/jobs"'","VisibilityTimeout":1,"WaitTimeSeconds":2}' >/dev/null; }

seen() {
  start
  call CreateQueue '{"QueueName":"dead"}' >/dev/null
  call CreateQueue '{"QueueName":"other"}' >/dev/null
  call CreateQueue '{"QueueName":"jobs","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:elasticmq:000000000000:dead\",\"maxReceiveCount\":\"1\"}"}}' >/dev/null
  call SendMessage '{"QueueUrl":"'"$url/000000000000/jobs"'","MessageBody":"poison"}' >/dev/null
  for _ in 1 2 3; do receive; done
  echo "after the move: queue $(depth jobs), dead letters $(depth dead)"
  restart
  echo "after a start: queue $(depth jobs), dead letters $(depth dead)"
  for _ in 1 2 3; do receive; done
  answer=$(call SendMessage '{"QueueUrl":"'"$url/000000000000/other"'","MessageBody":"lost"}')
  [[ $answer == *MessageId* ]] && echo "sent to another queue: acknowledged, $(depth other) there"
  restart
  echo "after the next start: $(depth other) there"
}

seen >"$work/seen"
cat "$work/seen"
diff <(echo "$expected") "$work/seen" >&2 || {
  echo 'This is not what was seen with 1.7.1.' >&2
  grep -m 3 -A 1 ERROR "$work/log" >&2 || true
  exit 1
}
