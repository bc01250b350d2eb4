#!/usr/bin/env bash
# ElasticMQ 1.7.1 (Maven: org.elasticmq:elasticmq-server_3).
#
# A FIFO queue that is made with DeduplicationScope messageGroup is made, and deduplicates over the whole queue all the
# same: the second of two messages with one deduplication id in two groups is swallowed, though it is acknowledged. The
# attribute is not shown by GetQueueAttributes. On AWS both messages are in the queue.
#
# Needs Java 17, Maven and curl.
set -euo pipefail

expected='two groups, one deduplication id: acknowledged twice, 1 in the queue
shown: none'

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

seen() {
  local acknowledged=0 queue
  start
  queue=$url/000000000000/scoped.fifo
  call CreateQueue '{"QueueName":"scoped.fifo","Attributes":{"FifoQueue":"true","DeduplicationScope":"messageGroup","FifoThroughputLimit":"perMessageGroupId"}}' >/dev/null
  for group in a b; do
    answer=$(call SendMessage '{"QueueUrl":"'"$queue"'","MessageBody":"one","MessageGroupId":"'$group'","MessageDeduplicationId":"1"}')
    [[ $answer != *MessageId* ]] || acknowledged=$((acknowledged + 1))
  done
  [[ $acknowledged == 2 ]] && echo "two groups, one deduplication id: acknowledged twice, $(depth scoped.fifo) in the queue"
  answer=$(call GetQueueAttributes '{"QueueUrl":"'"$queue"'","AttributeNames":["All"]}')
  [[ $answer == *DeduplicationScope* ]] && echo "shown: $answer" || echo 'shown: none'
}

seen >"$work/seen"
cat "$work/seen"
diff <(echo "$expected") "$work/seen" >&2 || {
  echo 'This is not what was seen with 1.7.1.' >&2
  exit 1
}
