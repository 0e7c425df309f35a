package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"

	"iotmon/internal/spelling"
)

// envConfig names the file, as -config does.
const envConfig = envPrefix + "CONFIG"

// environment is the process's environment with the additions of a file named .env.
type environment struct {
	values map[string]string
	// dotenv holds the names that come from the file.
	dotenv map[string]bool
}

// readEnvironment merges environ, in the form of os.Environ, with the file .env in dir, if there is one. The file never
// overrides the environment. An empty variable counts as not set.
func readEnvironment(environ []string, dir string) (*environment, error) {
	env := &environment{values: make(map[string]string), dotenv: make(map[string]bool)}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok && value != "" {
			env.values[name] = value
		}
	}
	path := filepath.Join(dir, ".env")
	added, err := godotenv.Read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, &Error{Problems: []string{fmt.Sprintf("%s: %v", path, err)}}
	}
	for name, value := range added {
		if _, ok := env.values[name]; !ok && value != "" {
			env.values[name] = value
			env.dotenv[name] = true
		}
	}
	return env, nil
}

func (e *environment) hosts() hosts {
	return hosts{kafka: e.values["KAFKA_HOST"], middleware: e.values["MIDDLEWARE_HOST"]}
}

// source returns the name of a variable for messages.
func (e *environment) source(name string) string {
	if e.dotenv[name] {
		return ".env: " + name
	}
	return name
}

// layer decodes every variable that begins with IOTMON_ and refuses unknown ones.
func (e *environment) layer(problems *problems) *layer {
	into := newLayer()
	byPath, paths := schema()
	known := map[string]string{envConfig: ""}
	for _, path := range paths {
		known[EnvName(path)] = path
	}
	for name, text := range e.values {
		path, ok := known[name]
		switch {
		case !strings.HasPrefix(name, envPrefix) || name == envConfig:
		case ok:
			d := decoder{e.source(name), e.hosts(), problems, nil}
			if value, ok := d.text(path, byPath[path], text); ok {
				into.set(path, value, d.source)
			}
		case !kubernetesLink.MatchString(name + "=" + text):
			*problems = append(*problems, fmt.Sprintf("%s: unknown variable%s", e.source(name), spelling.Suggest(name, slices.Sorted(maps.Keys(known)))))
		}
	}
	return into
}

// kubernetesLink matches the variables by which Kubernetes announces a Service named iotmon, or iotmon-something, to every
// pod of its namespace. They are not mistakes of the user. One that ends in _PORT holds a URL, while a misspelt key of ours
// would hold a number.
var kubernetesLink = regexp.MustCompile(
	`^\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=|^\w+_PORT=\w+://`)

// file returns the path of the configuration file from the flag or else from the environment, and which of the two set it.
func (e *environment) file(flag string) (path, source string) {
	if flag != "" {
		return flag, "-config"
	}
	return e.values[envConfig], e.source(envConfig)
}
