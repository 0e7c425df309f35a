package webhook_test

import (
	"testing"

	"iotmon/internal/notify/webhook"
)

// The secret, the message and its signature are the example of the specification's reference libraries.
func TestSignaturesAreThoseOfStandardWebhooks(t *testing.T) {
	key, err := webhook.Key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := webhook.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, secret := range []string{"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ=", "whsec_!!!"} {
		if _, err := webhook.Key(secret); err == nil {
			t.Errorf("%q was taken for a secret", secret)
		}
	}
}
