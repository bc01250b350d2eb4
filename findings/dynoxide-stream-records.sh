#!/usr/bin/env bash
# Dynoxide 1.5.0 (cargo: dynoxide-rs 3.2.0).
#
# Stream records are kept for ever, and every write to a table with a stream, like every GetRecords, looks through the
# records of all tables: it takes longer the more there are. After 10,000 records a put takes more than three times as long
# as one to a table without a stream beside it, which is as quick as at first. In a release build, in memory: 0.4 ms at
# first, 3 ms after 10,000 records of 700 bytes, 9 ms after 20,000, 35 ms after 40,000. DynamoDB drops records after a day,
# and a write takes as long as ever.
#
# Needs Rust 1.88, a C compiler and curl.
set -euo pipefail

expected='after 10,000 records: the table with a stream is slower by more than three times'

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

create() { # table, stream
  db CreateTable '{"TableName":"'"$1"'","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]'"$2"'}' >/dev/null
}

fill() { # batch
  local puts='' i
  for i in $(seq 25); do
    puts+=${puts:+,}'{"PutRequest":{"Item":{"pk":{"S":"k'"$1-$i"'"},"a":{"S":"'"$pad"'"}}}}'
  done
  db BatchWriteItem '{"RequestItems":{"followed":['"$puts"']}}' >/dev/null
}

took() { # table: microseconds of 20 puts
  local total=0 i
  for i in $(seq 20); do
    one=$(curl -sS -o /dev/null -w '%{time_total}' "$url" -H 'X-Amz-Target: DynamoDB_20120810.PutItem' -H 'Content-Type: application/x-amz-json-1.0' \
      -H 'Authorization: AWS4-HMAC-SHA256 Credential=local/20261130/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature=0' \
      -H 'X-Amz-Date: 20261130T000000Z' -d '{"TableName":"'"$1"'","Item":{"pk":{"S":"k"},"a":{"S":"'"$pad"'"}}}')
    one=${one/./}
    total=$((total + 10#$one))
  done
  echo $total
}

seen() {
  local with without
  pad=$(printf 'x%.0s' $(seq 700))
  start
  create plain ''
  create followed ',"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}'
  for batch in $(seq 400); do fill "$batch"; done
  without=$(took plain) with=$(took followed)
  echo "20 puts: $without us without a stream, $with us with one" >&2
  ((with > 3 * without)) && echo 'after 10,000 records: the table with a stream is slower by more than three times'
}

seen >"$work/seen"
cat "$work/seen"
diff <(echo "$expected") "$work/seen" >&2 || {
  echo 'This is not what was seen with 3.2.0.' >&2
  exit 1
}
