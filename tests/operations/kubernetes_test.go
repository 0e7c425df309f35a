package operations

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
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

// script runs one of the scripts that need Helm.
func script(t *testing.T, name string, arguments ...string) (int, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs Helm; make test brings it")
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
			t.Errorf("helm lint --strict %v: status %d:\n%s", values, status, output)
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

// TestEveryManifestIsWhatKubernetesKnows decodes all of them strictly into the types of the oldest version that the chart
// says it works with, and of the newest.
func TestEveryManifestIsWhatKubernetesKnows(t *testing.T) {
	files := append(manifests(t, render(t)), manifests(t, render(t, "--values", allValues))...)
	for _, modules := range []string{"go.mod", "oldest.mod"} {
		command := exec.Command("go", append([]string{"run", "-modfile=" + modules, "."}, files...)...)
		command.Dir = filepath.Join(root, "tests", "kubernetes")
		output, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", modules, err, output)
			continue
		}
		for _, kind := range []string{"Deployment", "Service", "ConfigMap", "Secret", "NetworkPolicy", "Ingress", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ServiceMonitor"} {
			if !strings.Contains(string(output), "Kind="+kind) {
				t.Errorf("%s: no %s among the manifests", modules, kind)
			}
		}
	}
}

// TestTheChartRefusesWhatCannotWork expects a line that says why.
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
	} {
		status, output := script(t, "render-k8s.sh", "-o", t.TempDir(), "--set", set)
		if (status != 0) != (want != "") || !strings.Contains(output, want) {
			t.Errorf("%s: got status %d and %q, want %q", set, status, output, want)
		}
	}
}

// TestTheServicesAcceptTheChartsConfiguration asks the consumer itself, with what its pod would be given.
func TestTheServicesAcceptTheChartsConfiguration(t *testing.T) {
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
			command := exec.Command("go", "run", "./cmd/"+service, "-config", file, "-check-config")
			command.Dir = root
			command.Env = append(os.Environ(), "IOTMON_POSTGRES_URL=postgres://u:p@h/d", "IOTMON_CONSUMER_ROLES=processor")
			if output, err := command.CombinedOutput(); err != nil {
				t.Errorf("%s, values %v: %v\n%s", service, values, err, output)
			}
		}
	}
}
