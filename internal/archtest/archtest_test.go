package archtest

import (
	"slices"
	"testing"
)

func TestTheTreeKeepsToItsArchitecture(t *testing.T) {
	all, err := read("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Errorf("read only %d files: not the whole tree", len(all))
	}
	for _, violation := range violations(all) {
		t.Error(violation)
	}
}

func TestViolationsAreFound(t *testing.T) {
	for _, test := range []struct{ file, text, want string }{
		{"internal/iot/a.go", `import _ "iotmon/internal/wire"`, "internal/iot must not import iotmon/internal/wire"},
		{"internal/iot/a.go", `import _ "github.com/google/uuid"`, "internal/iot must import only the standard library, not github.com/google/uuid"},
		{"internal/wire/a.go", `import _ "iotmon/internal/alert"`, "internal/wire must not import iotmon/internal/alert"},
		{"internal/archive/a.go", `import _ "iotmon/internal/view"`, "internal/archive must not import iotmon/internal/view"},
		{"internal/view/a.go", `import _ "iotmon/internal/push"`, "internal/view must not import iotmon/internal/push"},
		{"internal/push/a.go", `import _ "iotmon/internal/view/viewtest"`, "internal/push must not import iotmon/internal/view/viewtest"},
		{"internal/api/a.go", `import _ "iotmon/internal/push"`, "internal/api must not import iotmon/internal/push"},
		{"internal/control/a.go", `import _ "iotmon/internal/kafka"`, "internal/control must not import iotmon/internal/kafka"},
		{"internal/control/a.go", `import _ "iotmon/internal/view"`, "internal/control must not import iotmon/internal/view"},
		{"internal/api/a.go", `import _ "iotmon/internal/control/controltest"`, "internal/api must not import iotmon/internal/control/controltest"},
		{"internal/kafka/decisions/a.go", `import _ "iotmon/internal/kafka/feed"`, "internal/kafka/decisions must not import iotmon/internal/kafka/feed"},
		{"internal/kafka/feed/a.go", `import _ "iotmon/internal/push"`, "internal/kafka/feed must not import iotmon/internal/push"},
		{"internal/api/a.go", `import _ "iotmon/internal/store/sqlite"`, "internal/api must not import iotmon/internal/store/sqlite"},
		{"internal/kafka/a.go", `import _ "iotmon/internal/store/sqlite"`, "internal/kafka must not import iotmon/internal/store/sqlite"},
		{"internal/store/postgres/a.go", `import _ "iotmon/internal/store/sqlite"`, "internal/store/postgres must not import iotmon/internal/store/sqlite"},
		{"internal/kafka/processor/a.go", `import _ "iotmon/internal/kafka/feed"`, "internal/kafka/processor must not import iotmon/internal/kafka/feed"},
		{"internal/kafka/feed/a.go", `import _ "iotmon/internal/kafka/processor"`, "internal/kafka/feed must not import iotmon/internal/kafka/processor"},
		{"internal/kafka/feed/a.go", `import _ "iotmon/internal/kafka/embedded"`, "internal/kafka/feed must not import iotmon/internal/kafka/embedded"},
		{"internal/kafka/feed/a.go", `import _ "iotmon/internal/kafka/kafkatest"`, "internal/kafka/feed must not import iotmon/internal/kafka/kafkatest"},
		{"internal/app/a.go", `import _ "iotmon/internal/kafka/kafkatest"`, "internal/app must not import iotmon/internal/kafka/kafkatest"},
		{"internal/config/a.go", `import _ "iotmon/internal/iot"`, "internal/config must not import iotmon/internal/iot"},
		{"cmd/web/a.go", `import _ "iotmon/internal/kafka"`, "cmd/web must not import iotmon/internal/kafka"},
		{"internal/app/a.go", `import _ "iotmon/tests/testenv"`, "internal/app must not import iotmon/tests/testenv"},
		{"cmd/web/a.go", `import _ "iotmon/tests/testenv"`, "cmd/web must not import iotmon/tests/testenv"},
		{"cmd/web/a.go", `import _ "iotmon/internal/app"`, "cmd/web must not import iotmon/internal/app"},
		{"internal/stuff/a.go", ``, "internal/stuff is in no layer; add it to one in rules.go"},
		{"internal/app/a.go", `import _ "github.com/twmb/franz-go/pkg/kgo"`, "internal/app must not import github.com/twmb/franz-go/pkg/kgo: that is for internal/kafka/..."},
		{"internal/fleet/a.go", `import _ "net/http"`, "internal/fleet is pure and must not import net/http"},
		{"internal/alert/a.go", `func f() { go f() }`, "internal/alert is pure and must not start a goroutine, as internal/alert/a.go does"},
		{"internal/process/a.go", `import "time"; var now = time.Now`, "internal/process is pure and must not call time.Now, as internal/process/a.go does"},

		{"internal/api/a.go", `import _ "iotmon/internal/control"`, ""},
		{"internal/store/sqlite/a.go", `import _ "iotmon/internal/control"`, ""},
		{"internal/kafka/decisions/a.go", `import _ "iotmon/internal/control"`, ""},
		{"internal/kafka/embedded/a.go", `import _ "github.com/twmb/franz-go/pkg/kfake"`, ""},
		{"internal/kafka/a.go", `import _ "iotmon/internal/kafka/embedded"`, ""},
		{"internal/kafka/processor/a.go", `import _ "iotmon/internal/kafka"`, ""},
		{"internal/kafka/feed/a.go", `import _ "iotmon/internal/kafka"`, ""},
		{"internal/app/a.go", `import _ "iotmon/internal/kafka/feed"`, ""},
		{"internal/store/sqlite/a.go", `import _ "iotmon/internal/archive"`, ""},
		{"internal/push/a.go", `import _ "iotmon/internal/view"`, ""},
		{"internal/kafka/feed/a.go", `import _ "iotmon/internal/view"`, ""},
		{"internal/app/a.go", `import _ "iotmon/internal/kafka/embedded"`, ""},
		{"internal/app/command/a.go", `import _ "iotmon/internal/app"`, ""},
		{"internal/alert/a.go", `import "time"; var zero = time.Time{}.Add(time.Second)`, ""},
	} {
		s, err := parse(test.file, []byte("package a\n"+test.text))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if test.want != "" {
			want = []string{test.want}
		}
		if got := violations([]source{s}); !slices.Equal(got, want) {
			t.Errorf("%s with %s: got %q, want %q", test.file, test.text, got, want)
		}
	}
}
