// Command chart does what "helm template --skip-tests --output-dir" and "helm lint --strict" do with the chart in a directory, by Helm's own
// packages. Whole Helm, with its clients of clusters and registries, takes four minutes of a processor to build.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	render "helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chart "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	release "helm.sh/helm/v4/pkg/release/v1"
	manifest "helm.sh/helm/v4/pkg/release/v1/util"
	"helm.sh/helm/v4/pkg/strvals"
)

const usage = `chart renders a Helm chart into files, or looks for mistakes in it, by Helm's own packages.

Usage:
  chart template -o DIR [-namespace NAME] [-values FILE]... [-set KEY=VALUE,...]... RELEASE CHART
  chart lint [-namespace NAME] [-values FILE]... [-set KEY=VALUE,...]... CHART

CHART is a directory. Later values replace earlier ones, and -set replaces all of -values.
`

func main() {
	err := run(os.Args[1:])
	if errors.Is(err, errMisused) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "Error: %v\n", err)
		os.Exit(1)
	}
}

var errMisused = errors.New("misused")

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errMisused
	}
	var files, sets texts
	flags := flag.NewFlagSet("chart", flag.ContinueOnError)
	flags.Usage = func() {}
	out := flags.String("o", "", "")
	namespace := flags.String("namespace", "default", "")
	flags.Var(&files, "values", "")
	flags.Var(&sets, "set", "")
	if err := flags.Parse(arguments[1:]); err != nil {
		return errMisused
	}
	values, err := readValues(files, sets)
	if err != nil {
		return err
	}
	switch verb := arguments[0]; {
	case verb == "template" && flags.NArg() == 2 && *out != "":
		return template(*out, *namespace, flags.Arg(0), flags.Arg(1), values)
	case verb == "lint" && flags.NArg() == 1:
		return find(flags.Arg(0), *namespace, values)
	}
	return errMisused
}

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string { return strings.Join(*t, " ") }

func (t *texts) Set(value string) error {
	*t = append(*t, value)
	return nil
}

// readValues merges files of values, and then settings such as a.b=1,c={2,3}.
func readValues(files, sets []string) (map[string]any, error) {
	values := map[string]any{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		read, err := loader.LoadValues(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		values = loader.MergeMaps(values, read)
	}
	for _, set := range sets {
		if err := strvals.ParseInto(set, values); err != nil {
			return nil, fmt.Errorf("-set %s: %w", set, err)
		}
	}
	return values, nil
}

// template renders the chart in a directory as if it was installed anew, and writes one file for each template that has objects.
func template(out, namespace, name, dir string, values map[string]any) error {
	loaded, err := loader.LoadDir(dir)
	if err != nil {
		return err
	}
	if err := chart.ProcessDependencies(loaded, values); err != nil {
		return err
	}
	options := common.ReleaseOptions{Name: name, Namespace: namespace, Revision: 1, IsInstall: true}
	capabilities := common.DefaultCapabilities
	if want := loaded.Metadata.KubeVersion; want != "" && !chart.IsCompatibleRange(want, capabilities.KubeVersion.String()) {
		return fmt.Errorf("the chart needs Kubernetes %s, not %s", want, capabilities.KubeVersion.String())
	}
	all, err := render.ToRenderValues(loaded, values, options, capabilities)
	if err != nil {
		return err
	}
	files, err := engine.Render(loaded, all)
	if err != nil {
		return err
	}
	maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasSuffix(name, "NOTES.txt") })
	hooks, manifests, err := manifest.SortManifests(files, nil, manifest.InstallOrder)
	if err != nil {
		return err
	}
	for _, m := range manifests {
		if err := write(out, m.Name, m.Content); err != nil {
			return err
		}
	}
	for _, hook := range hooks {
		if slices.Contains(hook.Events, release.HookTest) {
			continue
		}
		if err := write(out, hook.Path, hook.Manifest); err != nil {
			return err
		}
	}
	return nil
}

// write appends a manifest to the file of its template, in the form of "helm template".
func write(out, name, content string) error {
	path := filepath.Join(out, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "---\n# Source: %s\n%s\n", name, content)
	return errors.Join(err, file.Close())
}

// find prints what it finds in the chart in a directory, and fails if that is more than advice.
func find(dir, namespace string, values map[string]any) error {
	if _, err := os.Stat(filepath.Join(dir, "Chart.yaml")); err != nil {
		return fmt.Errorf("no chart: %w", err)
	}
	found := lint.RunAll(dir, values, namespace)
	for _, message := range found.Messages {
		fmt.Println(message)
	}
	if found.HighestSeverity > support.InfoSev {
		return errors.New("the chart has mistakes")
	}
	return nil
}
