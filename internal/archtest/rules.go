package archtest

import "slices"

// layer is a group of packages that may import the same packages of this module. Packages of one layer must not import one
// another, unless one is below the other.
type layer struct {
	packages []string
	// may lists the packages of this module that they may import.
	may []string
	// onlyStandard forbids every other library but those in besides.
	onlyStandard bool
	besides      []string
}

var (
	domain = []string{"internal/iot"}
	// language is that of the expressions of rules.
	language = []string{"internal/expression"}
	// pure packages decide; time is an argument, and they do no I/O and start no goroutine.
	pure = []string{"internal/iot", "internal/expression", "internal/kpi", "internal/aggregate", "internal/alert", "internal/fleet", "internal/process",
		"internal/mapping", "internal/mapping/payload",
		"internal/source/sparkplug/payload", "internal/source/sparkplug/nodes", "internal/notify"}
	// parts are the pure building blocks of the packages in uses.
	parts = []string{"internal/wire", "internal/simulate", "internal/aggregate", "internal/alert", "internal/fleet", "internal/replay/recording", "internal/kpi"}
	// foreign converts what other systems send to readings. Their times are written as those of recordings and of messages are.
	foreign = []string{"internal/mapping", "internal/mapping/payload", "internal/source/sparkplug/payload"}
	// retries is the waiting between tries, for packages that do I/O.
	retries = []string{"internal/retry"}
	// uses declare the interfaces that they need.
	uses = []string{
		"internal/process", "internal/archive", "internal/statecache", "internal/view", "internal/source", "internal/source/http", "internal/replay",
		"internal/control", "internal/forward", "internal/forward/http", "internal/trial", "internal/notify/deliver",
	}
	// present is the live view, which does not import its readers.
	present = []string{"internal/view"}
	// decides is what people decide about. The REST API is its front.
	decides = []string{"internal/control"}
	// tries runs rules over the archive. The REST API is its front.
	tries = []string{"internal/trial"}
	// notices decide whom to notify of alerts. The REST API shows what became of it, and senders are what the channels share.
	notices = []string{"internal/notify"}
	senders = []string{"internal/notify/post"}
	// services are the senders of the channels.
	services = []string{"internal/notify/mail", "internal/notify/webhook", "internal/notify/alertmanager", "internal/notify/chat"}
	// readers send the live view to browsers and other clients.
	readers = []string{"internal/push", "internal/api"}
	// measures put a running system under load.
	measures = []string{"internal/bench"}
	// adapters implement the interfaces of uses and readers.
	adapters = slices.Concat(kafka, []string{"internal/store/...", "internal/cache/..."})
	// kafka is the client and what is built on it: the processor and the feeds do not know of each other.
	kafka = []string{"internal/kafka", "internal/kafka/processor", "internal/kafka/feed", "internal/kafka/embedded", "internal/kafka/decisions", "internal/kafka/intake", "internal/kafka/sources", "internal/kafka/relay"}
	// clients are protocols by themselves, without a word about readings.
	clients = []string{"internal/mqtt", "internal/mqtt/broker"}
	// codecs read and write the packets of clients, and the connections that these come in.
	codecs = []string{"internal/mqtt/packet", "internal/mqtt/stream"}
	// protocols are the sources by their protocols. They know nothing of one another.
	protocols = []string{"internal/source/modbus", "internal/source/mqtt", "internal/source/mqttbroker", "internal/source/opcua", "internal/source/sparkplug", "internal/source/sparkplug/nodes"}
	// wiring builds the services from their parts, and runs the commands.
	wiring = []string{"internal/app", "internal/app/command"}
	// datadir is what both packages of wiring know of the data directory of iotmon.
	datadir = []string{"internal/app/datadir"}
	// words are for messages to people.
	words = []string{"internal/spelling"}
	// aside imports no other package of this module than words.
	aside = []string{"internal/config", "internal/observe", "internal/backup", "internal/filelock", "internal/archtest", "web"}
)

// layers lists every package of the program, the innermost first.
var layers = []layer{
	// Unicode defines which texts are equal; its tables are outside the standard library.
	{packages: domain, onlyStandard: true, besides: []string{"golang.org/x/text/unicode/norm"}},
	{packages: language},
	{packages: parts, may: slices.Concat(domain, language)},
	{packages: foreign, may: []string{"internal/iot", "internal/wire", "internal/replay/recording"}},
	{packages: retries},
	{packages: notices, may: domain},
	{packages: senders, may: slices.Concat(domain, notices)},
	{packages: services, may: slices.Concat(domain, notices, []string{"internal/notify/post"})},
	{packages: uses, may: slices.Concat(domain, parts, foreign, retries, notices)},
	{packages: readers, may: slices.Concat(domain, parts, foreign, present, decides, tries, retries, notices, words)},
	// Stores and caches serve the REST API, and nobody but the wiring knows the hub.
	{packages: adapters, may: slices.Concat(domain, parts, foreign, uses, retries, notices, []string{"internal/api", "internal/filelock"})},
	{packages: codecs},
	{packages: clients, may: codecs},
	{packages: protocols, may: slices.Concat(domain, parts, foreign, retries, clients, []string{"internal/source"})},
	{packages: measures, may: slices.Concat(domain, parts, foreign, uses, retries)},
	{packages: words},
	{packages: aside, may: words},
	{packages: wiring, may: slices.Concat(domain, parts, foreign, uses, readers, adapters, clients, protocols, measures, aside, datadir, notices, senders, services)},
	{packages: datadir, may: slices.Concat(adapters, aside)},
	// A program hands its command line on: to the commands, or to the one client that needs no service.
	{packages: []string{"cmd/..."}, may: []string{"internal/app/command", "internal/config", "internal/replay"}},
	// What gives servers to tests, or compares documents for them, is for tests alone: no layer may import it.
	{packages: []string{"tests/testenv", "tests/translation"}},
	{packages: []string{"internal/kafka/kafkatest"}, may: slices.Concat(domain, parts, foreign, kafka)},
	{packages: []string{"internal/source/sourcetest"}, may: slices.Concat(domain, parts, foreign, []string{"internal/source"})},
	{packages: []string{"internal/view/viewtest"}, may: domain},
	{packages: []string{"internal/control/controltest"}, may: domain},
}

func layerOf(pkg string) *layer {
	for i := range layers {
		if matchesAny(pkg, layers[i].packages) {
			return &layers[i]
		}
	}
	return nil
}

// owner reserves a library for a few packages, so that it can be replaced there alone.
type owner struct {
	library  string
	packages []string
}

var owners = []owner{
	{"github.com/twmb", []string{"internal/kafka/..."}},
	{"database/sql", []string{"internal/store/..."}},
	{"modernc.org/sqlite", []string{"internal/store/sqlite"}},
	{"github.com/jackc/pgx", []string{"internal/store/postgres"}},
	{"github.com/pressly/goose", []string{"internal/store/..."}},
	{"github.com/prometheus", []string{"internal/observe"}},
	{"github.com/knadh/koanf", []string{"internal/config"}},
	{"github.com/joho/godotenv", []string{"internal/config"}},
	{"github.com/gorilla/websocket", []string{"internal/push", "internal/bench", "internal/mqtt/stream"}},
	{"github.com/danielgtaylor/huma", []string{"internal/api"}},
	{"go.opentelemetry.io/otel/sdk", []string{"internal/observe"}},
	{"go.opentelemetry.io/otel/exporters", []string{"internal/observe"}},
	{"go.opentelemetry.io/contrib", []string{"internal/observe"}},
	// No package may use them: they call methods by names that are known only at run time, so the linker would keep every method of
	// every library.
	{"html/template", nil},
	{"text/template", nil},
	{"github.com/influxdata/line-protocol", []string{"internal/mapping/payload"}},
	{"github.com/fxamacker/cbor", []string{"internal/mapping/payload"}},
	{"github.com/redis", []string{"internal/cache/redis"}},
	{"golang.org/x/crypto", []string{"internal/mqtt/broker"}},
	{"github.com/simonvetter/modbus", []string{"internal/source/modbus"}},
	{"github.com/gopcua", []string{"internal/source/opcua"}},
	{"github.com/cenkalti/backoff", []string{"internal/retry"}},
	{"github.com/expr-lang", []string{"internal/expression"}},
	{"github.com/wneessen/go-mail", []string{"internal/notify/mail"}},
}

// outside lists what a pure package must not import.
var outside = []string{"os/...", "net/...", "database/sql", "log/...", "io/ioutil", "embed", "math/rand/...", "golang.org/x/sync/..."}

// clocks are the functions of package time that read the wall clock or wait for it.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}
