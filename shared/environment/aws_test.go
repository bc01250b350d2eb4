package environment

import (
	"reflect"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Among the variables of Lambda, AWS configures clients as the SDK's own loader does, on AWS and where a stack of this
// machine names other endpoints.
func TestAWSIsWhatTheLoaderFinds(t *testing.T) {
	for name, more := range map[string]map[string]string{
		"on AWS":      {"AWS_SESSION_TOKEN": "token"},
		"on a laptop": {"AWS_ENDPOINT_URL_DYNAMODB": "http://localhost:8000", "AWS_ENDPOINT_URL_SQS": "http://localhost:9324", "AWS_MAX_ATTEMPTS": "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_CONFIG_FILE", "/dev/null")
			t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
			for variable, value := range map[string]string{"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id",
				"AWS_SECRET_ACCESS_KEY": "secret", "AWS_EXECUTION_ENV": "AWS_Lambda_provided.al2023", "AWS_CA_BUNDLE": ""} {
				t.Setenv(variable, value)
			}
			for variable, value := range more {
				t.Setenv(variable, value)
			}
			loaded, err := config.LoadDefaultConfig(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, want := options(t, AWS()), options(t, loaded)
			for i := range want {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Errorf("got  %+v\nwant %+v", got[i], want[i])
				}
			}
		})
	}
}

// options are those that clients are made with, as far as they can be compared, and the credentials.
func options(t *testing.T, cfg aws.Config) []any {
	t.Helper()
	d, q := dynamodb.NewFromConfig(cfg).Options(), sqs.NewFromConfig(cfg).Options()
	c, err := d.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return []any{
		c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expires, c.CanExpire, c.AccountID,
		d.Region, d.BaseEndpoint, d.AppID, d.DefaultsMode, d.RetryMode, d.RetryMaxAttempts, reflect.TypeOf(d.Retryer), d.Retryer.MaxAttempts(), d.EndpointOptions,
		d.AccountIDEndpointMode, d.AuthSchemePreference, d.DisableClockSkewCorrection, d.EndpointDiscovery, d.ClientLogMode, reflect.TypeOf(d.HTTPClient), reflect.TypeOf(d.Logger),
		q.Region, q.BaseEndpoint, q.AppID, q.DefaultsMode, q.RetryMode, q.RetryMaxAttempts, reflect.TypeOf(q.Retryer), q.Retryer.MaxAttempts(), q.EndpointOptions,
		q.DisableMessageChecksumValidation, q.ClientLogMode, reflect.TypeOf(q.HTTPClient), reflect.TypeOf(q.Logger),
	}
}
