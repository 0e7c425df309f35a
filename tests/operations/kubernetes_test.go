package operations

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"iotmon/tests/testenv"
)

// allValues turns on everything that the chart has.
const allValues = "tests/operations/testdata/k8s-everything.yaml"

// render renders the chart into a directory of the test, and returns the directory.
func render(t *testing.T, arguments ...string) string {
	t.Helper()
	dir := t.TempDir()
	if status, output := script(t, "render-k8s.sh", append([]string{"-o", dir}, arguments...)...); status != 0 {
		t.Fatalf("render %v: status %d: %s", arguments, status, output)
	}
	return dir
}

// script runs one of the scripts that need Helm's packages.
func script(t *testing.T, name string, arguments ...string) (int, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs Helm's packages; make test brings them")
	}
	command := exec.Command(filepath.Join("scripts", name), arguments...)
	command.Dir = root
	output, err := command.CombinedOutput()
	if command.ProcessState == nil {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(output)
}

// manifests returns the files below dir.
func manifests(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d manifests, %v", dir, len(files), err)
	}
	return files
}

func TestTheChartIsClean(t *testing.T) {
	for _, values := range [][]string{nil, {"--values", allValues}} {
		if status, output := script(t, "render-k8s.sh", append([]string{"--lint"}, values...)...); status != 0 {
			t.Errorf("render-k8s.sh --lint %v: status %d:\n%s", values, status, output)
		}
	}
}

// TestThePlainManifestsAreTheChart holds for those without Helm.
func TestThePlainManifestsAreTheChart(t *testing.T) {
	dir := render(t)
	for _, file := range manifests(t, dir) {
		name, err := filepath.Rel(dir, file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(root, "k8s", name))
		if err != nil || string(got) != string(want) {
			t.Errorf("k8s/%s is not what the chart says now; run scripts/render-k8s.sh (%v)", name, err)
		}
	}
}

// A password in the values reaches the services unchanged.
func TestASecretMayHaveAnyCharacters(t *testing.T) {
	const password = `p@s/s%d#?{1}$w"\ ';&é{{ .Values }}$(HOME)`
	want := map[string]string{"IOTMON_POSTGRES_PASSWORD": password, "IOTMON_KAFKA_SASL_PASSWORD": "007", "IOTMON_REDIS_PASSWORD": "1e6"}
	text, err := yaml.Marshal(map[string]any{"secrets": want})
	if err != nil {
		t.Fatal(err)
	}
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, text, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err = os.ReadFile(filepath.Join(render(t, "--values", values), "common", "secret.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var secret struct {
		StringData map[string]string `yaml:"stringData"`
	}
	if err := yaml.Unmarshal(text, &secret); err != nil {
		t.Fatal(err)
	}
	for name, want := range want {
		if got := secret.StringData[name]; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// TestAMeshReachesItsControlPlane has the network policies let the proxies through, which share their pods' network.
func TestAMeshReachesItsControlPlane(t *testing.T) {
	for provider, ports := range map[string][]string{"": nil, "istio": {"15012", "15008"}, "linkerd": {"8080", "8086", "8090", "4143"}} {
		text, err := os.ReadFile(filepath.Join(render(t, "--set", "mesh.provider="+provider), "common", "networkpolicy.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		policies := strings.Count(string(text), "kind: NetworkPolicy")
		for _, port := range ports {
			if got := strings.Count(string(text), "{port: "+port+","); got < policies {
				t.Errorf("%s: port %s is in %d places, want it in each of %d policies", provider, port, got, policies)
			}
		}
		if ports == nil && (strings.Contains(string(text), "15012") || strings.Contains(string(text), "8086")) {
			t.Errorf("without a mesh its ports are open:\n%s", text)
		}
	}
}

// TestTheBrokerOfTheProducersIsReached compares the ports of the MQTT broker in the pods, in the Service and in the network policy with its addresses.
func TestTheBrokerOfTheProducersIsReached(t *testing.T) {
	for values, want := range map[string]map[string]int{"": {}, allValues: {"mqtt": 1883, "mqtts": 8883, "mqtt-wss": 8884}} {
		var arguments []string
		if values != "" {
			arguments = []string{"--values", values}
		}
		dir := render(t, arguments...)
		read := func(name string, into any) {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			decoder := yaml.NewDecoder(strings.NewReader(string(text)))
			for err == nil { // The one of the producer is the first.
				if err = decoder.Decode(into); err == nil {
					return
				}
			}
			t.Fatalf("%s: %v", name, err)
		}
		var deployment struct {
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct {
							Ports []struct {
								Name          string
								ContainerPort int `yaml:"containerPort"`
							}
						}
					}
				}
			}
		}
		read("producer/deployment.yaml", &deployment)
		got := make(map[string]int)
		for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
			if port.Name != "http" {
				got[port.Name] = port.ContainerPort
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: the pods have the ports %v, want %v", values, got, want)
		}
		var policy struct {
			Metadata struct{ Name string }
			Spec     struct {
				Ingress []struct{ Ports []struct{ Port any } }
			}
		}
		read("common/networkpolicy.yaml", &policy)
		allowed := make(map[string]int)
		for _, port := range policy.Spec.Ingress[0].Ports {
			if name, ok := port.Port.(string); ok && name != "http" {
				allowed[name] = got[name]
			}
		}
		if policy.Metadata.Name != "iotmon-producer" || !maps.Equal(allowed, want) {
			t.Errorf("%s: the network policy %s allows %v, want %v", values, policy.Metadata.Name, allowed, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "producer", "mqtt.yaml")); len(want) == 0 {
			if err == nil {
				t.Errorf("without a broker there is a Service for it")
			}
			continue
		}
		var service struct {
			Spec struct {
				Type                  string
				ExternalTrafficPolicy string `yaml:"externalTrafficPolicy"`
				Ports                 []struct {
					Name, TargetPort string
					Port             int
				}
			}
		}
		read("producer/mqtt.yaml", &service)
		served := make(map[string]int)
		for _, port := range service.Spec.Ports {
			served[port.Name] = port.Port
		}
		if !maps.Equal(served, want) || service.Spec.Type != "LoadBalancer" || service.Spec.ExternalTrafficPolicy != "Local" {
			t.Errorf("the Service is %+v", service.Spec)
		}
	}
}

// monitoringResource has the fields of a ServiceMonitor or a PrometheusRule that must agree with monitoring/.
type monitoringResource struct {
	Spec struct {
		Endpoints []struct {
			Relabelings []struct {
				SourceLabels []string `yaml:"sourceLabels"`
				TargetLabel  string   `yaml:"targetLabel"`
				Replacement  string
			}
		}
		Groups []any
	}
}

func readMonitoring(t *testing.T, dir, name string) monitoringResource {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "common", name))
	if err != nil {
		t.Fatal(err)
	}
	var resource monitoringResource
	if err := yaml.Unmarshal(text, &resource); err != nil {
		t.Fatal(err)
	}
	return resource
}

// TestPrometheusOnKubernetesKnowsTheServicesByTheSameNames compares the labels that a ServiceMonitor makes with those that
// alerts and dashboards ask for, and the rules of a PrometheusRule with those of monitoring/alerts.
func TestPrometheusOnKubernetesKnowsTheServicesByTheSameNames(t *testing.T) {
	dir := render(t, "--values", allValues)
	labels := make(map[string]string)
	for _, relabeling := range readMonitoring(t, dir, "servicemonitor.yaml").Spec.Endpoints[0].Relabelings {
		labels[relabeling.TargetLabel] = strings.Join(relabeling.SourceLabels, ",") + relabeling.Replacement
	}
	for label, want := range map[string]string{
		"job": "iotmon", "service": "__meta_kubernetes_service_label_app_kubernetes_io_component",
	} {
		if labels[label] != want {
			t.Errorf("label %s: got %q, want %q", label, labels[label], want)
		}
	}

	var want []any
	for _, name := range []string{"recording.rules.yml", "iotmon.rules.yml"} {
		text, err := os.ReadFile(filepath.Join(root, "monitoring", "alerts", name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "job=") && !strings.Contains(string(text), `job="iotmon"`) {
			t.Errorf("%s: asks for another job than iotmon", name)
		}
		var rules struct{ Groups []any }
		if err := yaml.Unmarshal(text, &rules); err != nil {
			t.Fatal(err)
		}
		want = append(want, rules.Groups...)
	}
	if got := readMonitoring(t, dir, "prometheusrule.yaml").Spec.Groups; !reflect.DeepEqual(got, want) {
		t.Errorf("the rules of the chart are not those of monitoring/alerts; run scripts/render-k8s.sh")
	}
}

// TestEveryManifestIsWhatKubernetesKnows decodes all manifests strictly into the types of the oldest Kubernetes version that the
// chart supports, and of the newest.
func TestEveryManifestIsWhatKubernetesKnows(t *testing.T) {
	t.Parallel()
	files := append(manifests(t, render(t)), manifests(t, render(t, "--values", allValues))...)
	for _, modules := range []string{"go.mod", "oldest.mod"} {
		program := filepath.Join(t.TempDir(), "kubernetes")
		if err := testenv.BuildModule("kubernetes", program, "-modfile="+modules); err != nil {
			t.Fatal(err)
		}
		output, err := exec.Command(program, files...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", modules, err, output)
			continue
		}
		for _, kind := range []string{"Deployment", "Service", "ConfigMap", "Secret", "NetworkPolicy", "Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ServiceMonitor", "PrometheusRule"} {
			if !strings.Contains(string(output), "Kind="+kind) {
				t.Errorf("%s: no %s among the manifests", modules, kind)
			}
		}
	}
}

// TestTheChartRefusesWhatCannotWork sets values that cannot work, and expects an error with the reason.
func TestTheChartRefusesWhatCannotWork(t *testing.T) {
	for set, want := range map[string]string{
		"producer.replicas=2": "every instance with a simulator would send the same devices",
		"keda.enabled=true,consumer.autoscaling.enabled=true":        "only one of them can scale the consumer",
		"mesh.provider=consul":                                       "must be one of '', 'istio', 'linkerd'",
		"web.replica=3":                                              "additional properties 'replica' not allowed",
		"web.replicas=many":                                          "got string, want integer",
		"antiAffinity=requierd":                                      "must be one of 'preferred', 'required'",
		"consumer.roles={procesor}":                                  "must be one of 'processor', 'archiver', 'cache'",
		"config.kafka.brkers={a}":                                    "additional properties 'brkers' not allowed",
		"secrets.postgres=a":                                         "additional properties 'postgres' not allowed",
		"preStopSeconds=10":                                          "terminationGracePeriodSeconds: must be more than",
		"preStopSeconds=10,config.server.shutdown_timeout=10s":       "",
		"preStopSeconds=10,config.server.shutdown_timeout=1m":        "which are 70 s",
		"ingress.enabled=true,web.enabled=false":                     "there is no page without web.enabled",
		"producer.simulator=false,producer.autoscaling.enabled=true": "",
		"config.mqtt_broker.addr=127.0.0.1:1883":                     "nobody reaches",
		"config.mqtt_broker.addr=:mqtt":                              "has no port in digits",
		"mqtt.externalTrafficPolicy=None":                            "must be one of 'Cluster', 'Local'",
	} {
		status, output := script(t, "render-k8s.sh", "-o", t.TempDir(), "--set", set)
		if (status != 0) != (want != "") || !strings.Contains(output, want) {
			t.Errorf("%s: got status %d and %q, want %q", set, status, output, want)
		}
	}
}

// TestTheServicesAcceptTheChartsConfiguration lets the consumer check the configuration that its pod would get.
func TestTheServicesAcceptTheChartsConfiguration(t *testing.T) {
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range [][]string{nil, {"--values", allValues}} {
		text, err := os.ReadFile(filepath.Join(render(t, values...), "common", "configmap.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var configMap struct{ Data map[string]string }
		if err := yaml.Unmarshal(text, &configMap); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "iotmon.yaml")
		if err := os.WriteFile(file, []byte(configMap.Data["iotmon.yaml"]), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, service := range []string{"producer", "consumer", "websocket", "web"} {
			command := exec.Command(filepath.Join(built, service), "-config", file, "-check-config")
			command.Dir = t.TempDir() // Away from .env.
			command.Env = append(os.Environ(), "IOTMON_POSTGRES_URL=postgres://u:p@h/d", "IOTMON_CONSUMER_ROLES=processor")
			if output, err := command.CombinedOutput(); err != nil {
				t.Errorf("%s, values %v: %v\n%s", service, values, err, output)
			}
		}
	}
}
