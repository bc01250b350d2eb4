package infra_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"chatkeeper/infra/local/template"
)

// Every route but the webhook's, which has signatures of its own, wants a token at the gateway already.
func TestOnlyTheWebhookIsOpen(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type auth struct {
		DefaultAuthorizer string               `yaml:"DefaultAuthorizer"`
		Authorizers       map[string]yaml.Node `yaml:"Authorizers"`
		Authorizer        string               `yaml:"Authorizer"`
	}
	var parsed struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				Auth   auth `yaml:"Auth"`
				Events map[string]struct {
					Type       string `yaml:"Type"`
					Properties struct {
						Path string `yaml:"Path"`
						Auth auth   `yaml:"Auth"`
					} `yaml:"Properties"`
				} `yaml:"Events"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	api := parsed.Resources["Api"].Properties.Auth
	if _, ok := api.Authorizers[api.DefaultAuthorizer]; api.DefaultAuthorizer == "" || !ok {
		t.Errorf("the API has no authorizer for the routes that say nothing: %+v", api)
	}
	open := map[string]bool{}
	for _, resource := range parsed.Resources {
		for _, event := range resource.Properties.Events {
			if event.Type == "HttpApi" && event.Properties.Auth.Authorizer != "" {
				open[event.Properties.Path] = true
			}
		}
	}
	if paths := slices.Collect(maps.Keys(open)); !slices.Equal(paths, []string{"/webhooks/whatsapp"}) {
		t.Errorf("these routes have an authorizer of their own, or none: %v", paths)
	}
}

// A function that the gateway asks answers before the gateway gives up, after 30 seconds: a late answer is lost.
func TestFunctionsAnswerBeforeTheGatewayGivesUp(t *testing.T) {
	t.Parallel()
	parsed, err := template.Load("../template.yaml", map[string]string{"Issuer": template.LocalIssuer})
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, f := range parsed.Functions {
		if len(f.Routes) == 0 {
			continue
		}
		if asked++; f.Timeout >= 30*time.Second {
			t.Errorf("%s may take %s", f.ID, f.Timeout)
		}
	}
	if asked < 7 {
		t.Errorf("the gateway asks %d functions", asked)
	}
}

// Every function behind a token knows whose tokens are good: an issuer of one's own, or the user pool that is made.
func TestEveryFunctionKnowsWhoseTokensAreGood(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string][2]string{
		template.LocalIssuer: {"http://localhost:8082", "chatkeeper"},
		"":                   {"https://cognito-idp.eu-west-1.amazonaws.com/<!Ref UserPool>", "<!Ref UserPoolClient>"},
	} {
		parsed, err := template.Load("../template.yaml", map[string]string{"Issuer": issuer})
		if err != nil {
			t.Fatal(err)
		}
		functions := 0
		for _, f := range parsed.Functions {
			if len(f.Routes) == 0 || strings.HasPrefix(f.Routes[0].Path, "/webhooks/") {
				continue
			}
			functions++
			for i, variable := range []string{"ISSUER", "AUDIENCE"} {
				text, ok := f.Environment[variable]
				if !ok {
					t.Errorf("%s has no %s", f.ID, variable)
					continue
				}
				got, err := text.Resolve(func(r template.Reference) (string, error) { return "<" + r.String() + ">", nil })
				if err != nil || got != want[i] {
					t.Errorf("%s of %s is %q, want %q (%v)", variable, f.ID, got, want[i], err)
				}
			}
		}
		if functions < 6 {
			t.Errorf("only %d functions are behind a token", functions)
		}
	}
}
