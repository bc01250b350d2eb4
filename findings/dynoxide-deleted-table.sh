#!/usr/bin/env bash
# Dynoxide 1.5.0 (cargo: dynoxide-rs 3.2.0).
#
# The stream records of a table that is deleted are kept. A new table of the same name has a stream with another ARN, and
# that stream begins with the records of the deleted table. In DynamoDB a new table's stream has nothing of an earlier
# table.
#
# Needs Rust 1.88, a C compiler and curl.
set -euo pipefail

expected='the first table: INSERT
a new table of its name, with nothing in it: another ARN, INSERT'

work=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true; rm -rf "$work"' EXIT

CARGO_TARGET_DIR=$work/target cargo install dynoxide-rs --version 3.2.0 --locked --debug --no-default-features \
  --features native-sqlite,http-server,cli --root "$work" >"$work/cargo" 2>&1 || {
  cat "$work/cargo" >&2
  exit 1
}

port=$((20000 + RANDOM % 10000))
url=http://127.0.0.1:$port

start() {
  "$work/bin/dynoxide" serve --port $port --log quiet >>"$work/log" 2>&1 &
  server=$!
  for _ in $(seq 100); do
    curl -sf "$url" >/dev/null 2>&1 && return
    sleep 0.1
  done
  echo 'Dynoxide does not start' >&2
  exit 1
}

call() { # operation with its service, JSON
  curl -sS "$url" -H "X-Amz-Target: $1" -H 'Content-Type: application/x-amz-json-1.0' -d "$2" \
    -H 'Authorization: AWS4-HMAC-SHA256 Credential=local/20261130/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0' \
    -H 'X-Amz-Date: 20261130T000000Z'
}

db() { call "DynamoDB_20120810.$1" "$2"; }
streams() { call "DynamoDBStreams_20120810.$1" "$2"; }

create() {
  db CreateTable '{"TableName":"things","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}}' >/dev/null
}

arn() { db DescribeTable '{"TableName":"things"}' | sed 's/.*"LatestStreamArn":"\([^"]*\)".*/\1/'; }

records() { # names of the events in the stream, from its beginning
  local shard iterator
  shard=$(streams DescribeStream '{"StreamArn":"'"$(arn)"'"}' | sed 's/.*"ShardId":"\([^"]*\)".*/\1/')
  iterator=$(streams GetShardIterator '{"StreamArn":"'"$(arn)"'","ShardId":"'"$shard"'","ShardIteratorType":"TRIM_HORIZON"}' |
    sed 's/.*"ShardIterator":"\([^"]*\)".*/\1/')
  streams GetRecords '{"ShardIterator":"'"$iterator"'"}' | grep -o '"eventName":"[A-Z]*"' | cut -d'"' -f4 | paste -sd' ' || true
}

seen() {
  local first
  start
  create
  first=$(arn)
  db PutItem '{"TableName":"things","Item":{"pk":{"S":"k"}}}' >/dev/null
  echo "the first table: $(records)"
  db DeleteTable '{"TableName":"things"}' >/dev/null
  create
  [[ $(arn) != "$first" ]] && echo "a new table of its name, with nothing in it: another ARN, $(records)"
}

seen >"$work/seen"
cat "$work/seen"
diff <(echo "$expected") "$work/seen" >&2 || {
  echo 'This is not what was seen with 3.2.0.' >&2
  exit 1
}
