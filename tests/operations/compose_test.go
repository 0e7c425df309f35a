package operations

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// composeFile has the fields of a compose file that these tests read.
type composeFile struct {
	Services map[string]composeService
	Volumes  map[string]any
}

type composeService struct {
	Image       string
	Restart     string
	NetworkMode string `yaml:"network_mode"`
	Command     []string
	Ports       []string
	Volumes     []string
	Profiles    []string
	Environment map[string]string
	ReadOnly    bool                                  `yaml:"read_only"`
	CapDrop     []string                              `yaml:"cap_drop"`
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Extends     struct{ File, Service string }
	Healthcheck struct{ Test []string }
}

func readCompose(t *testing.T, name string) composeFile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	var file composeFile
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return file
}

var composeFiles = []string{"docker-compose.yml", "docker-compose.test.yml"}

func TestComposeServicesHaveTheirDocumentedNamesAndPorts(t *testing.T) {
	for name, want := range map[string]map[string]string{
		"docker-compose.yml": {
			"kafka": "9092", "redis": "6379", "postgres": "5432", "prometheus": "", "grafana": "", "jaeger": "16686", "alertmanager": "",
		},
		"docker-compose.test.yml": {
			"kafka": "", "redis": "", "postgres": "", "prometheus": "9090",
			"producer": "8080", "consumer": "8081", "websocket": "8082", "web": "8083",
		},
	} {
		file := readCompose(t, name)
		for service, port := range want {
			got, ok := file.Services[service]
			if !ok {
				t.Errorf("%s: there is no service %s", name, service)
			}
			if port != "" && !slices.ContainsFunc(got.Ports, func(p string) bool { return strings.Contains(p, ":"+port+":") }) {
				t.Errorf("%s: %s: got ports %v, want %s", name, service, got.Ports, port)
			}
		}
	}
	// Those on the host's own network say themselves where they listen.
	for service, want := range map[string]string{
		"prometheus": "--web.listen-address=127.0.0.1:9090", "alertmanager": "--web.listen-address=127.0.0.1:9093",
	} {
		if got := readCompose(t, "docker-compose.yml").Services[service].Command; !slices.Contains(got, want) {
			t.Errorf("%s: got %v, want %s", service, got, want)
		}
	}
	if got := readCompose(t, "docker-compose.yml").Services["grafana"].Environment["GF_SERVER_HTTP_ADDR"]; got != "127.0.0.1" {
		t.Errorf("grafana listens on %q, want 127.0.0.1", got)
	}
}

// TestComposePublishesOnLoopbackAlone checks both files with the default settings.
func TestComposePublishesOnLoopbackAlone(t *testing.T) {
	for _, name := range composeFiles {
		for service, s := range readCompose(t, name).Services {
			for _, port := range s.Ports {
				if !strings.HasPrefix(port, "127.0.0.1:") && !strings.HasPrefix(port, "${MIDDLEWARE_BIND:-127.0.0.1}:") {
					t.Errorf("%s: %s: port %s is open to everybody", name, service, port)
				}
			}
		}
	}
}

// pinned is an image with the version at least to its minor number, or one of ours.
var pinned = regexp.MustCompile(`^([a-z-]+/)?[a-z-]+:v?\d+\.\d+\.\d+(-[a-z0-9.]+)?$|^iotmon/[a-z]+:latest$|^(postgres):\d+\.\d+-[a-z]+$`)

func TestComposeServicesCanBeReliedOn(t *testing.T) {
	for _, name := range composeFiles {
		file := readCompose(t, name)
		for service, s := range file.Services {
			if s.Extends.File != "" {
				if _, ok := readCompose(t, s.Extends.File).Services[s.Extends.Service]; !ok {
					t.Errorf("%s: %s extends nothing", name, service)
				}
				continue
			}
			if !pinned.MatchString(s.Image) {
				t.Errorf("%s: %s: the version of %s is not pinned", name, service, s.Image)
			}
			if s.Restart != "unless-stopped" {
				t.Errorf("%s: %s: restart is %q, want unless-stopped", name, service, s.Restart)
			}
			if len(s.Healthcheck.Test) == 0 && service != "jaeger" {
				t.Errorf("%s: %s has no health check", name, service)
			}
			for on, how := range s.DependsOn {
				if _, ok := file.Services[on]; !ok || how.Condition != "service_healthy" {
					t.Errorf("%s: %s depends on %s %q, want a service, healthy", name, service, on, how.Condition)
				}
			}
			if strings.HasPrefix(s.Image, "iotmon/") && (!s.ReadOnly || !slices.Contains(s.CapDrop, "ALL")) {
				t.Errorf("%s: %s can write its root file system or has capabilities", name, service)
			}
			checkMounts(t, name, service, s, file.Volumes)
		}
	}
}

// checkMounts checks that mounted files exist: Docker would create a directory in place of a missing one.
func checkMounts(t *testing.T, name, service string, s composeService, volumes map[string]any) {
	t.Helper()
	for _, mount := range s.Volumes {
		source, _, _ := strings.Cut(mount, ":")
		if path, ok := strings.CutPrefix(source, "./"); ok {
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: %s: %v", name, service, err)
			}
		} else if _, ok := volumes[source]; !ok && source != "/" {
			t.Errorf("%s: %s: there is no volume %s", name, service, source)
		}
	}
}

// TestPrometheusScrapesWhatRuns compares the targets with the ports of the programs and with the names in the compose file.
func TestPrometheusScrapesWhatRuns(t *testing.T) {
	type target struct {
		Targets []string
		Labels  map[string]string
	}
	read := func(name string) map[string]string {
		text, err := os.ReadFile(filepath.Join(root, "monitoring", "prometheus", name))
		if err != nil {
			t.Fatal(err)
		}
		var targets []target
		if err := yaml.Unmarshal(text, &targets); err != nil {
			t.Fatal(err)
		}
		found := make(map[string]string)
		for _, each := range targets {
			found[each.Labels["service"]] = strings.Join(each.Targets, ",")
		}
		return found
	}
	onHost := read("services.yml")
	for service, want := range map[string]string{"web": "127.0.0.1:8080", "consumer": "127.0.0.1:8081", "producer": "127.0.0.1:8084"} {
		if onHost[service] != want {
			t.Errorf("on a host: %s is scraped at %q, want %s", service, onHost[service], want)
		}
	}
	inContainers := read("containers.yml")
	for service, s := range readCompose(t, "docker-compose.test.yml").Services {
		if strings.HasPrefix(s.Image, "iotmon/") && inContainers[service] != service+":8080" {
			t.Errorf("in containers: %s is scraped at %q, want %s:8080", service, inContainers[service], service)
		}
	}
}

// TestTheBrokerIsOptionalInCompose checks that docker-compose.mqtt.yml turns the broker on, with settings that the producer accepts.
func TestTheBrokerIsOptionalInCompose(t *testing.T) {
	const address = "IOTMON_MQTT_BROKER_ADDR"
	if producer := readCompose(t, "docker-compose.test.yml").Services["producer"]; producer.Environment[address] != "" {
		t.Errorf("without it the broker is at %s", producer.Environment[address])
	}
	file := readCompose(t, "docker-compose.mqtt.yml")
	producer := file.Services["producer"]
	if len(file.Services) != 1 || !slices.Equal(producer.Ports, []string{"${MQTT_BIND:-127.0.0.1}:1883:1883"}) || producer.Environment[address] != ":1883" {
		t.Errorf("got %+v", file.Services)
	}
	if len(producer.Volumes) != 1 || !strings.HasPrefix(producer.Volumes[0], "${MQTT_USERS:?") ||
		!strings.HasSuffix(producer.Volumes[0], "}:"+producer.Environment["IOTMON_MQTT_BROKER_USERS_FILE"]+":ro") {
		t.Errorf("the file of users is mounted by %v, want it where the broker reads it", producer.Volumes)
	}
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(filepath.Join(built, "producer"), "-check-config")
	command.Dir = t.TempDir() // Away from .env.
	command.Env = os.Environ()
	for name, value := range producer.Environment {
		command.Env = append(command.Env, name+"="+value)
	}
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}
