package mqtt_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/mqtt"
	"iotmon/internal/source"
	mqttsource "iotmon/internal/source/mqtt"
	"iotmon/internal/source/sourcetest"
	"iotmon/tests/testenv"
)

// number decodes payloads that are a number.
func number(m *source.Message, points []mapping.Point) ([]mapping.Point, error) {
	value, err := strconv.ParseFloat(string(m.Payload), 64)
	if err != nil {
		return points, iot.Invalid("", "no number")
	}
	return append(points, mapping.Point{Field: "value", Value: value}), nil
}

// serverName is the name in the broker's certificate.
const serverName = "broker.test"

func TestASourceSurvivesFaults(t *testing.T) {
	sourcetest.Run(t, map[string]func(t *testing.T) *sourcetest.Harness{
		"MQTT 5": func(t *testing.T) *sourcetest.Harness {
			return harness(t, testenv.NewMosquittoWithClock(t, t.TempDir(), false), 5)
		},
		"MQTT 3.1.1 encrypted": func(t *testing.T) *sourcetest.Harness {
			return encrypted(t, 3, "ssl://", "", func(b *testenv.Mosquitto) string { return b.TLS })
		},
		"MQTT 5 by encrypted websockets": func(t *testing.T) *sourcetest.Harness {
			return encrypted(t, 5, "wss://", "/mqtt", func(b *testenv.Mosquitto) string { return b.EncryptedWebsocket })
		},
	})
}

// harness is a broker and a source of QoS 1 with a session that the broker keeps.
func harness(t *testing.T, broker *testenv.Mosquitto, version int) *sourcetest.Harness {
	return &sourcetest.Harness{
		Server:  broker,
		Adapter: func(address string) source.Adapter { return mqttsource.New(options(t, "tcp://"+address, version)) },
		Decode:  number,
		Rules:   []mapping.Rule{{Field: "value", Device: "motor", Type: iot.Current}},
		Produce: newPublisher(t, broker.Address()).number,
		Silence: 4 * time.Second,
		Keeps:   true, KeepsStopped: true,
		SetClock: broker.Clock.Set,
		Reset: func() {
			if err := os.Remove(filepath.Join(broker.Dir, "mosquitto.db")); err != nil {
				t.Error(err)
			}
		},
		Revoke: func() {
			broker.Stop()
			broker.Password(t, "changed")
			broker.Start()
		},
		Allow: func() {
			broker.Password(t, "secret")
			broker.Reload()
		},
	}
}

func options(t *testing.T, url string, version int) mqtt.Options {
	return mqtt.Options{
		URL: url, Version: version, ClientID: "source", Username: "user", PasswordFile: writeFile(t, "password", "secret\n"),
		Topics: []string{"plant/+/current"}, QoS: 1, KeepAlive: 2 * time.Second, SessionExpiry: time.Hour, ReceiveMaximum: 1000, MaxPacket: 1 << 20,
	}
}

// encrypted is a harness with certificates on both sides. listener returns where the broker listens for it.
func encrypted(t *testing.T, version int, scheme, path string, listener func(*testenv.Mosquitto) string) *sourcetest.Harness {
	dir := t.TempDir()
	sourcetest.WriteCertificates(t, dir, serverName)
	broker := testenv.NewMosquittoWithClock(t, dir, true)
	h := harness(t, broker, version)
	h.Address = listener(broker)
	h.Adapter = func(address string) source.Adapter {
		o := options(t, scheme+address+path, version)
		o.TLS = tlsOf(dir)
		return mqttsource.New(o)
	}
	h.Rotate = func() {
		broker.Stop()
		sourcetest.WriteCertificates(t, dir, serverName)
		broker.Start()
	}
	return h
}

func tlsOf(dir string) mqtt.TLS {
	return mqtt.TLS{
		CAFile: filepath.Join(dir, "ca.pem"), CertFile: filepath.Join(dir, "client.pem"), KeyFile: filepath.Join(dir, "client.key"), ServerName: serverName,
	}
}
