// Command kubernetes reads Kubernetes manifests and decodes every object strictly into its type, so that a field that does
// not exist, is there twice or has the wrong type is an error with its path. It is a module of its own: the
// program has no use for what it needs. go.mod has the newest version of Kubernetes that is checked against, oldest.mod
// the oldest.
//
//	go run . FILE…
//	go run -modfile=oldest.mod . FILE…
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/api/apps/v1"
	"k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// foreign are the groups of operators' resources; their types are not Kubernetes' own, and are not checked here.
var foreign = map[string]bool{
	"keda.sh": true, "kafka.strimzi.io": true, "postgresql.cnpg.io": true,
}

func main() {
	decode, err := decoder()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	failed := false
	for _, file := range os.Args[1:] {
		if err := check(decode, file); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

func decoder() (runtime.Decoder, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		v1.AddToScheme, v2.AddToScheme, core.AddToScheme, networking.AddToScheme, policy.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true}), nil
}

// check decodes every document of the file and prints its kind and name.
func check(decode runtime.Decoder, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	var wrong []error
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(wrong...)
		}
		if err != nil {
			return err
		}
		if err := object(decode, document); err != nil {
			wrong = append(wrong, err)
		}
	}
}

func object(decode runtime.Decoder, document []byte) error {
	asJSON, err := yaml.ToJSON(document)
	if err != nil {
		return err
	}
	if bytes.Equal(bytes.TrimSpace(asJSON), []byte("null")) {
		return nil // Nothing but comments.
	}
	kind, err := json.DefaultMetaFactory.Interpret(asJSON)
	if err != nil {
		return err
	}
	if foreign[kind.Group] {
		fmt.Printf("%s: not checked\n", *kind)
		return nil
	}
	_, kind, err = decode.Decode(document, &schema.GroupVersionKind{}, nil)
	if err != nil {
		return fmt.Errorf("%v: %w", kind, err)
	}
	fmt.Println(*kind)
	return nil
}
