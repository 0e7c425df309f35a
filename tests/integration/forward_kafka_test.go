package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"iotmon/internal/wire"
	"iotmon/tests/testenv"
)

// TestACentralKafkaHasEachReadingOfItsGatewaysOnce has one gateway forward to the readings' topic of a real Kafka, and one to a producer of the same
// cluster over HTTP. Both networks are slow and then silent, gateways, producer and Kafka are killed, and every row of the centre's database is
// compared with what the gateways have acknowledged.
func TestACentralKafkaHasEachReadingOfItsGatewaysOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("needs real servers; make test brings them")
	}
	inTurn(t)
	servers, database := testenv.Own(t, testenv.KafkaServer), testenv.Postgres(t)
	behind, advertised := servers.KafkaBehind()
	topics := cluster{t: t, brokers: servers.Brokers(), prefix: "test-" + uuid.NewString()[:8] + "-"}
	common := topics.config("readings") + fmt.Sprintf("postgres: {url: %q}\n", database) + killConfig
	consumer, web, producer := newProgram(t, "consumer", common), newProgram(t, "web", common), newProgram(t, "producer", common, "-no-simulator")
	for _, s := range []*server{consumer, web, producer} {
		s.launch()
	}
	for _, s := range []*server{consumer, web, producer} {
		s.await("/ready", patience)
	}
	networks := []*proxy{startProxy(t, advertised, behind), startProxy(t, "127.0.0.1:0", producer.addr)}
	gateways := []*server{
		gateway(t, networks[0].addr(), fmt.Sprintf(", topic: %sreadings, max_rate: 20000", topics.prefix)), gateway(t, "http://"+networks[1].addr(), ", max_rate: 20000"),
	}
	var senders []*posters
	for i, g := range gateways {
		g.start()
		senders = append(senders, startPosters(t, g.base(), fmt.Sprint("site", i, "-")))
	}
	fail := func(f networkFaults) {
		for _, network := range networks {
			network.set(f)
		}
	}
	for range briefly(1, 10) {
		time.Sleep(time.Second)
		fail(networkFaults{rate: 20_000})
		time.Sleep(briefly(3*time.Second, 2*time.Minute))
		fail(networkFaults{silent: true})
		time.Sleep(briefly(3*time.Second, 2*time.Minute)) // The connections stay silent; the next ones are not.
		fail(networkFaults{})
		gateways[0].kill()
		gateways[0].start()
		servers.Kill(testenv.KafkaServer)
		producer.kill()
		producer.launch()
		servers.Start(testenv.KafkaServer)
		gateways[1].kill()
		gateways[1].start()
	}
	var all []sample
	for i, sender := range senders {
		all = append(all, sender.stop()...)
		reportOffline(t, gateways[i], all[len(all)-1].device)
	}
	for _, g := range gateways {
		waitFor(t, patience, "everything is forwarded", func() bool { s := forwarded(t, g).Forward; return s.Connected && s.Lag == 0 })
		if s := forwarded(t, g).Forward; s.Rejected != 0 || len(s.Lost) != 0 || s.Problem != "" {
			t.Errorf("got %+v, want nothing rejected, nothing lost and no problem", s)
		}
	}
	// What has waited alarms nobody, so the alerts are others than those of readings that come at once.
	truth, everything := summarize(all, 2*time.Second), url.Values{"from": {"2020-01-01T00:00:00Z"}, "to": {"2100-01-01T00:00:00Z"}, "limit": {"500"}}
	var wrong []string
	if !eventually(patience, func() bool {
		wrong = compareSummaries(list[wire.Aggregate](t, web.base(), "/api/v1/summaries", clone(everything)), truth)
		if len(wrong) == 0 {
			wrong = compareRows(t, database, all)
		}
		return len(wrong) == 0
	}) {
		t.Errorf("%d of %d windows and %d readings are wrong; the first: %q", len(wrong), len(truth), len(all), wrong[:min(5, len(wrong))])
	}
	t.Logf("%d windows and every row of %d readings at the centre equal the truth", len(truth), len(all))
	for i := range gateways {
		device := last(all, fmt.Sprint("site", i, "-")).device
		waitFor(t, patience, "the centre shows what a gateway's source has said of "+device, func() bool { return deviceStatus(web, device) == "offline" })
	}
}

// last returns the last sample of the devices whose ids begin with a text.
func last(samples []sample, prefix string) sample {
	for i := len(samples) - 1; i >= 0; i-- {
		if strings.HasPrefix(samples[i].device, prefix) {
			return samples[i]
		}
	}
	return sample{}
}

// reportOffline says to a program that a device is offline, as a source does.
func reportOffline(t *testing.T, s *server, device string) {
	t.Helper()
	body := fmt.Sprintf(`{"device_id":%q,"report":{"status":"offline","reason":"last will","time":%q}}`, device, time.Now().UTC().Format(time.RFC3339Nano))
	response, err := http.Post(s.base()+"/api/v1/readings", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("report: got %s", response.Status)
	}
}

// deviceStatus returns the status of a device that a program shows.
func deviceStatus(s *server, device string) string {
	response, err := http.Get(s.base() + "/api/v1/devices/" + strings.ReplaceAll(device, "/", "%2F"))
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	var shown struct {
		Status string `json:"status"`
	}
	if json.NewDecoder(response.Body).Decode(&shown) != nil {
		return ""
	}
	return shown.Status
}
