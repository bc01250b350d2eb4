# `make` lists the targets. Each says first what is missing on this machine (infra/tools/need).

SHELL := bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0
# In bytes: 6 MB. A small zip starts fast.
MAX_ZIP := 6291456

# WhatsApp payloads to test with beside the project's own, where such a folder is at hand.
CORPUS ?= $(wildcard ../shared/corpus)
# Absolute, because each test runs in its own folder.
override CORPUS := $(abspath $(CORPUS))
export CORPUS

##@ On a laptop

# What runs until Ctrl-C is built first: `go run` would call every Ctrl-C an error.
.PHONY: run
run: ## start everything here: no AWS account, no network after the first time
	@infra/tools/need go java maven dynamodb
	@go build -o bin/local ./infra/local && exec bin/local

.PHONY: token
token: ## a bearer token for the API of the running stack: PERSON=alex, amira, bruno, chloe, dan or mei
	@go run ./infra/local/token $(PERSON)

.PHONY: demo
demo: ## play a busy morning on the running stack, then check it
	@go run ./infra/local/demo

.PHONY: verify
verify: ## check every invariant on the running stack's tables
	@go run ./infra/verify

.PHONY: redrive
redrive: ## bring dead letters of the running stack back to their queues
	@go run ./infra/redrive

.PHONY: reset
reset: ## forget everything that `make run` keeps in .local, and its tables on a named server
	@go run ./infra/tools/reset

SAM_PORT := 3000

.PHONY: sam-local
sam-local: .aws-sam/local ## beside a running `make run`: the same API by `sam local start-api`, on port 3000 (needs Docker)
	@go build -o bin/samlocal ./infra/tools/samlocal && exec bin/samlocal start-api --port $(SAM_PORT) --warm-containers LAZY $(SAM_LOCAL_FLAGS)

FUNCTION := WebhookFunction
EVENT := infra/events/webhook-message.json

.PHONY: sam-invoke
sam-invoke: .aws-sam/local ## one invocation by `sam local invoke`: FUNCTION=WebhookFunction EVENT=infra/events/....json
	@go run ./infra/tools/samlocal invoke $(FUNCTION) --event $(EVENT) $(SAM_LOCAL_FLAGS)

# The functions for this machine's own processor, apart from those for AWS.
.PHONY: .aws-sam/local
.aws-sam/local:
	@infra/tools/need go python docker
	@ARCH=$$(go env GOHOSTARCH) infra/tools/sam build --build-in-source --build-dir $@

URL := http://127.0.0.1:$(SAM_PORT)

.PHONY: test-sam
test-sam: ## beside `make run` and `make sam-local`: the tests from outside against them (another address: URL=http://...)
	@tokens= && for person in alex amira bruno chloe dan mei; do \
		token=$$(go run ./infra/local/token $$person) && tokens=$$tokens,$$person=$$token || exit 1; \
	done && CHATKEEPER_E2E_URL=$(URL) CHATKEEPER_E2E_TOKENS=$${tokens#,} go test -v -count=1 -timeout 1h ./infra/e2e

##@ Before a change lands

PKG := ./...

.PHONY: test
test: ## all tests, on one DynamoDB and one ElasticMQ for the whole run (a part: PKG=./shared/...)
	@infra/tools/need go java maven dynamodb
	go run ./infra/local/withservers -- go test $(TESTFLAGS) $(PKG)

.PHONY: soak
soak: ## the same tests with bigger numbers and the race detector (needs a C compiler)
	@infra/tools/need go java maven dynamodb
	CHATKEEPER_SOAK=1 CGO_ENABLED=1 go run ./infra/local/withservers -- go test -race -count=1 -timeout 2h $(TESTFLAGS) $(PKG)

.PHONY: mutants
mutants: ## take away each condition of each write in turn: a test must notice every one (about 25 minutes)
	@infra/tools/need go java maven dynamodb
	go run ./infra/local/withservers -- go run ./infra/mutants $(MUTANTS_FLAGS)

.PHONY: costs
costs: ## play a day and count what it would cost on AWS: units against their budgets, dollars per million
	@infra/tools/need go java maven dynamodb
	@go build -o bin/costs ./infra/costs && go run ./infra/local/withservers -- bin/costs

.PHONY: bench
bench: ## measure what has a goal, as ratios in one run: a table and a plot in .local/bench (bigger: CHATKEEPER_BENCH_FULL=1)
	@infra/tools/need go java maven dynamodb
	@go build -o bin/bench ./infra/bench && go run ./infra/local/withservers -- bin/bench

.PHONY: check
check: ## format, vet, staticcheck, go.mod, template.yaml
	@infra/tools/need go python
	@unformatted=$$(gofmt -l functions infra shared) && if [ -n "$$unformatted" ]; then printf 'not gofmt-ed:\n%s\n' "$$unformatted"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...
	go mod tidy -diff
	infra/tools/sam validate --lint

##@ For AWS

.PHONY: build
build: ## one zip's worth of each function in .aws-sam/build, for `sam deploy`
	@infra/tools/need go python
	@infra/tools/sam build --build-in-source
	@$(call print_zip_sizes,.aws-sam/build)

# `sam build` calls this for each function of template.yaml: WebhookFunction is built from functions/webhook.
# No revision is stamped in, so that a function whose code did not change is not deployed again.
build-%Function:
	@CGO_ENABLED=0 GOOS=linux GOARCH=$(or $(ARCH),arm64) go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags "-s -w" \
		-o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$$(echo $* | tr A-Z a-z)

# gzip compresses as zip does, so its size is the zip's.
define print_zip_sizes
for bootstrap in $(1)/*/bootstrap; do \
	size=$$(gzip -c "$$bootstrap" | wc -c); \
	printf '%-20s %5d KB zipped\n' "$$(basename "$$(dirname "$$bootstrap")")" $$((size / 1024)); \
	if [ "$$size" -gt $(MAX_ZIP) ]; then echo "over the limit of $$(($(MAX_ZIP) / 1024)) KB" >&2; exit 1; fi; \
done
endef

.PHONY: help
help:
	@awk -F ':.*## ' '/^##@ /{ printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## /{ printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
