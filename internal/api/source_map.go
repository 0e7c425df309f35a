package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/control"
	"iotmon/internal/iot"
	"iotmon/internal/mapping"
	"iotmon/internal/retry"
)

// SourceMaps is where people decide about the maps of sources. Its methods may be called concurrently; their errors are those of
// control.Registry.
type SourceMaps interface {
	// Map returns the map that was decided last, one without a version if none was.
	Map(ctx context.Context, source string) (mapping.Entry, error)
	// ChangeMap makes an edit, and returns the map of then.
	ChangeMap(ctx context.Context, edit control.MapEdit, by control.By) (mapping.Entry, error)
	// TypesInForce returns the device types that all partitions of the log admit, and those that any does; nil if that is not known.
	TypesInForce() (everywhere, anywhere []iot.TypeSpec)
	// Admits reports whether all partitions of the log admit a device type.
	Admits(iot.DeviceType) bool
	// Audit returns who has decided what, the newest first.
	Audit(ctx context.Context, q control.AuditQuery) ([]control.Audit, error)
}

// maxMapVersions is how many versions of a map are listed.
const maxMapVersions = 50

// mapPoll is how often a request asks whether a decision is in force.
const mapPoll = 50 * time.Millisecond

func (s *server) registerSourceMaps(api huma.API) {
	if s.o.SourceMaps == nil || s.o.Sources == nil || s.o.Admission == nil {
		return
	}
	failures := []int{http.StatusNotFound, http.StatusServiceUnavailable}
	changes := append(slices.Clone(failures), http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests)
	responses := func() map[string]*huma.Response {
		return map[string]*huma.Response{
			"202": {Description: "Decided, and not in force yet; reason says why: the program with the source does not run, is of an older version or cannot map by it, or the consumers have not put a new device type in force."},
		}
	}
	path := Prefix + "/sources/{name}/map"
	huma.Register(api, huma.Operation{
		OperationID: "get-source-map", Method: http.MethodGet, Path: path, Tags: []string{"Sources"},
		Summary: "Get the map of a source",
		Description: "The rules by which what the source receives becomes readings: those that people have decided, or else those of the " +
			"configuration. What people have decided comes before the configuration, also after a restart, until it is deleted.",
		Errors: failures,
	}, s.getMap)
	huma.Register(api, huma.Operation{
		OperationID: "put-source-map", Method: http.MethodPut, Path: path, Tags: []string{"Sources"},
		Summary: "Replace the map of a source",
		Description: "The rules come into force while everything runs, in every program that may run the source. A device type that there is not yet is made by the " +
			"define of a rule: it comes into force before the rules, in the consumers, the API and the page, and stays for good; of two people who define it, the first is right. " +
			"The MQTT brokers of all producers have one map, " +
			"which is decided by their configured name or by that of any of them. To replace a map that people " +
			"have decided, If-Match is required. The answer comes once the rules are in force.",
		Responses: responses(), Errors: append(slices.Clone(changes), http.StatusPreconditionRequired), MaxBodyBytes: 2 * mapping.MaxEntry,
	}, s.putMap)
	huma.Register(api, huma.Operation{
		OperationID: "delete-source-map", Method: http.MethodDelete, Path: path, Tags: []string{"Sources"},
		Summary:     "Map by the configuration again",
		Description: "Takes back what people have decided about the map of the source. The answer comes once the configured rules are in force.",
		Responses:   responses(), Errors: changes,
	}, s.deleteMap)
	huma.Register(api, huma.Operation{
		OperationID: "list-source-map-versions", Method: http.MethodGet, Path: path + "/versions", Tags: []string{"Sources"},
		Summary:     "List what was decided about the map of a source",
		Description: "The newest first, at most 50, as long as control.audit_retention keeps them. PUT with restore decides the rules of one of them again.",
		Errors:      failures,
	}, s.listMapVersions)
}

// SourceMap is the map of a source, and since when it is one. It is exported for the library, which ignores what is embedded otherwise.
type SourceMap struct {
	Version int64        `json:"version" doc:"Grows with each decision; If-Match takes it in quotes. 0 if nobody has decided anything."`
	Origin  string       `json:"origin" enum:"configuration,decided" doc:"Whether the rules are those of the configuration, or what people have decided instead."`
	Rules   []SourceRule `json:"rules" nullable:"false" doc:"The first rule that matches a value counts."`
}

// mapAnswer is the map of a source.
type mapAnswer struct {
	Status int
	ETag   string `header:"ETag" doc:"The version in quotes, for If-Match."`
	Body   struct {
		Name string `json:"name" doc:"The source, or the name by which people decide about the map of several: see map of a source."`
		SourceMap
		InForce bool `json:"in_force" doc:"Whether the program that runs the source maps by it."`
		// Reason is empty if it is in force.
		Reason string `json:"reason,omitempty" doc:"Why it is not in force."`
	}
}

// mapName returns the name by which people decide about the map of a source, which may be given itself. The error is a problem.
func (s *server) mapName(source string) (string, error) {
	states, err := s.o.Sources.States()
	if err != nil {
		return "", sourcesProblem(err)
	}
	for i := range states {
		if states[i].Name == source {
			return states[i].mapName(), nil
		}
	}
	if len(mappedBy(states, source)) == 0 {
		return "", noSource(source)
	}
	return source, nil
}

// mappedBy returns the sources whose map is decided by a name, those that are known first.
func mappedBy(states []SourceState, name string) (all []SourceState) {
	for i := range states {
		if states[i].mapName() == name {
			all = append(all, states[i])
		}
	}
	slices.SortStableFunc(all, func(a, b SourceState) int { return cmp.Compare(gone(&a), gone(&b)) })
	return all
}

// gone returns 1 for a source of which nothing is known any more, and otherwise 0.
func gone(s *SourceState) int {
	if s.State == UnknownSource {
		return 1
	}
	return 0
}

func (s *SourceState) mapName() string { return cmp.Or(s.Map, s.Name) }

func (s *server) getMap(ctx context.Context, in *sourceInput) (*mapAnswer, error) {
	name, err := s.mapName(in.Name)
	if err != nil {
		return nil, err
	}
	entry, err := s.o.SourceMaps.Map(ctx, name)
	if err != nil {
		return nil, s.decisionProblem(ctx, err)
	}
	return s.shownMap(&entry, s.mapWaits(&entry)), nil
}

// shownMap returns the answer with a map. reason is why it is not in force, empty if it is.
func (s *server) shownMap(e *mapping.Entry, reason string) *mapAnswer {
	out := &mapAnswer{Status: http.StatusOK, ETag: etag(e.Version)}
	if reason != "" {
		out.Status = http.StatusAccepted
	}
	out.Body.Name, out.Body.InForce, out.Body.Reason = e.Source, reason == "", reason
	out.Body.SourceMap = SourceMap{Version: e.Version, Origin: "decided", Rules: ShownRules(e.Rules)}
	if e.Version == 0 || e.Deleted {
		out.Body.Origin, out.Body.Rules = "configuration", []SourceRule{}
		states, _ := s.o.Sources.States() // An error was handled before.
		for _, of := range mappedBy(states, e.Source) {
			detail, _ := s.o.Sources.Detail(of.Name)
			out.Body.Rules = notNil(detail.Rules)
			break
		}
	}
	return out
}

// mapWaits returns why the programs that run the sources do not all map by a decision; empty if they do. Of those that are gone nobody knows;
// there must be another one.
func (s *server) mapWaits(e *mapping.Entry) string {
	states, err := s.o.Sources.States()
	if err != nil {
		return "it is not known yet which programs run the source"
	}
	of := mappedBy(states, e.Source)
	if len(of) == 0 || gone(&of[0]) > 0 {
		return "no program that runs the source says how it is"
	}
	for i := range of {
		if state := &of[i]; gone(state) == 0 && state.MapVersion < e.Version {
			return s.waitsFor(e, state)
		}
	}
	return ""
}

// waitsFor returns why a source does not map by a decision.
func (s *server) waitsFor(e *mapping.Entry, state *SourceState) string {
	if state.MapError != "" {
		return state.MapError
	}
	for _, name := range e.Defined() {
		if !s.o.SourceMaps.Admits(name) {
			return fmt.Sprintf("not all consumers have put the device type %s in force; the map follows once they have", iot.Quote(string(name)))
		}
	}
	if !state.FollowsMaps {
		return fmt.Sprintf("the program that runs the source, %s, is of an older version, which may not follow maps that people decide: update it", state.Instance)
	}
	return fmt.Sprintf("the program that runs the source, %s, has not taken it over yet", state.Instance)
}

// mapBody is what is decided: rules, or those of an earlier version.
type mapBody struct {
	Rules   []SourceRule `json:"rules,omitempty" maxItems:"10000" doc:"All rules of the map; the first that matches a value counts."`
	Restore int64        `json:"restore,omitempty" minimum:"1" doc:"Instead of rules: the version whose rules are decided again."`
}

// MapInput names a source, and says on which map a change is based. It is exported for the library, which ignores what is embedded otherwise.
type MapInput struct {
	Name        string `path:"name" doc:"The source's name." example:"hall-3-mqtt" maxLength:"63"`
	IfMatch     string `header:"If-Match" doc:"The ETag of the map that the change is based on; * for any."`
	IfNoneMatch string `header:"If-None-Match" doc:"* if nobody may have decided anything yet."`
	Why
}

type putMapInput struct {
	MapInput
	Body mapBody
}

func (s *server) putMap(ctx context.Context, in *putMapInput) (*mapAnswer, error) {
	name, err := s.mapName(in.Name)
	if err != nil {
		return nil, err
	}
	in.Name = name
	if in.Body.Rules == nil && in.Body.Restore == 0 {
		return nil, wrongRules(errors.New("missing: give the rules, [] for none, or restore"))
	}
	rules := givenRules(in.Body.Rules)
	if in.Body.Restore > 0 {
		if in.Body.Rules != nil {
			return nil, wrongRules(errors.New("must not be given together with restore"))
		}
		if rules, err = s.rulesOfVersion(ctx, in.Name, in.Body.Restore); err != nil {
			return nil, err
		}
	}
	types, err := s.newTypes(rules)
	if err != nil {
		return nil, wrongRules(err)
	}
	return s.decideMap(ctx, &in.MapInput, "put", control.MapEdit{Types: types, To: func(current mapping.Entry) (mapping.Entry, error) {
		if in.IfMatch == "" && in.IfNoneMatch == "" && current.Version > 0 && !current.Deleted {
			return mapping.Entry{}, errPrecondition
		}
		current.Deleted, current.Rules = false, rules
		return current, nil
	}})
}

func (s *server) deleteMap(ctx context.Context, in *MapInput) (*mapAnswer, error) {
	name, err := s.mapName(in.Name)
	if err != nil {
		return nil, err
	}
	in.Name = name
	return s.decideMap(ctx, in, "delete", control.MapEdit{To: func(current mapping.Entry) (mapping.Entry, error) {
		if current.Version == 0 {
			return current, nil // Nothing was decided, and nothing is.
		}
		current.Deleted, current.Rules = true, nil
		return current, nil
	}})
}

// typeName matches the names of device types that people may decide: those that the configuration may have as well.
var typeName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// newTypes returns the device types that rules define and that have to be decided with them, because not all consumers have them. The error is
// why the rules cannot be in force.
func (s *server) newTypes(rules []mapping.Rule) ([]iot.TypeSpec, error) {
	own := s.o.Admission.Catalog
	if err := mapping.CheckTypes(rules, own); err != nil {
		return nil, err
	}
	consumers := own
	if everywhere, anywhere := s.o.SourceMaps.TypesInForce(); len(anywhere) > 0 {
		known, err := iot.NewCatalog(anywhere...)
		if err == nil {
			err = mapping.CheckTypes(rules, known)
		}
		if err != nil {
			return nil, err
		}
		if consumers, err = iot.NewCatalog(everywhere...); err != nil {
			return nil, err
		}
	}
	types, err := mapping.Types(rules, consumers)
	if err != nil {
		return nil, err
	}
	for i := range types {
		if !typeName.MatchString(string(types[i].Name)) {
			return nil, fmt.Errorf("define: the name of a type must be lower-case letters, digits and underscores, beginning with a letter, at most 63 (got %s)",
				iot.Quote(string(types[i].Name)))
		}
	}
	all, err := iot.NewCatalog(append(consumers.Specs(), types...)...)
	if err != nil {
		return nil, err
	}
	_, err = mapping.New(rules, all)
	return types, err
}

func wrongRules(err error) error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Message: err.Error(), Location: "body.rules"})
}

// rulesOfVersion returns the rules of an earlier version of a map. The error is a problem.
func (s *server) rulesOfVersion(ctx context.Context, source string, version int64) ([]mapping.Rule, error) {
	all, err := s.o.SourceMaps.Audit(ctx, control.AuditQuery{Of: control.MapRef(source), Limit: maxMapVersions})
	if err != nil {
		return nil, s.decisionProblem(ctx, err)
	}
	for i := range all {
		if all[i].Version != version {
			continue
		}
		entry, err := mapping.DecodeEntry(all[i].After)
		switch {
		case err != nil:
			return nil, huma.Error409Conflict("version " + fmt.Sprint(version) + " of the map was written by another version of iotmon")
		case entry.Deleted:
			return nil, huma.Error409Conflict("version " + fmt.Sprint(version) + " takes back what was decided: delete the map instead")
		}
		return entry.Rules, nil
	}
	return nil, huma.Error404NotFound(fmt.Sprintf("version %d of the map of the source %s is not kept", version, iot.Quote(source)))
}

// decideMap changes the map of a source, and answers once it is in force, or after inForceTimeout.
func (s *server) decideMap(ctx context.Context, in *MapInput, action string, edit control.MapEdit) (*mapAnswer, error) {
	condition, err := (&EntryInput{IfMatch: in.IfMatch, IfNoneMatch: in.IfNoneMatch}).condition()
	if err != nil {
		return nil, err
	}
	condition.Entered = false // * is any map, and a source always has one: that of its configuration, if nobody has decided anything.
	release, err := s.admitDecision()
	if err != nil {
		return nil, err
	}
	defer release()
	edit.Source, edit.If = in.Name, condition
	entry, err := s.o.SourceMaps.ChangeMap(ctx, edit, in.by(action))
	var changed *control.VersionError
	var invalid *iot.InvalidError
	switch {
	case errors.As(err, &invalid):
		return nil, wrongRules(err)
	case errors.Is(err, control.ErrOlder):
		return nil, huma.Error409Conflict("a device type cannot be decided yet: " + control.ErrOlder.Error())
	case errors.As(err, &changed):
		return nil, huma.ErrorWithHeaders(
			huma.Error412PreconditionFailed(fmt.Sprintf("the map has another version, %d: read it again and decide anew", changed.Version)),
			http.Header{"ETag": {etag(changed.Version)}},
		)
	case errors.Is(err, errPrecondition):
		return nil, huma.NewError(http.StatusPreconditionRequired, "people have decided about the map already: send its ETag in If-Match, so that nobody's change is lost")
	case err != nil:
		return nil, s.decisionProblem(ctx, err)
	}
	s.decisionMade(ctx)
	waiting, cancel := context.WithTimeout(ctx, inForceTimeout)
	defer cancel()
	reason := s.mapWaits(&entry)
	for reason != "" && retry.Wait(waiting, mapPoll) == nil {
		reason = s.mapWaits(&entry)
	}
	return s.shownMap(&entry, reason), nil
}

// mapVersion is one decision about a map.
type mapVersion struct {
	SourceMap
	Time   time.Time `json:"time" doc:"When, by the clock of the service that has stored it."`
	Actor  string    `json:"actor" doc:"Who: an opaque id."`
	Action string    `json:"action" doc:"How: put or delete; adopt or repeat if nobody has, because a database was restored."`
	Reason string    `json:"reason,omitempty" doc:"Why it was decided; absent if no reason was given."`
}

// mapVersions is the answer with the decisions about a map.
type mapVersions struct {
	Items []mapVersion `json:"items" nullable:"false"`
}

func (s *server) listMapVersions(ctx context.Context, in *sourceInput) (*answer[mapVersions], error) {
	name, err := s.mapName(in.Name)
	if err != nil {
		return nil, err
	}
	all, err := s.o.SourceMaps.Audit(ctx, control.AuditQuery{Of: control.MapRef(name), Limit: maxMapVersions})
	if err != nil {
		return nil, s.decisionProblem(ctx, err)
	}
	out := mapVersions{Items: []mapVersion{}}
	for i := range all {
		a := &all[i]
		entry, err := mapping.DecodeEntry(a.After)
		if err != nil {
			continue // Another version of iotmon has written it.
		}
		v := mapVersion{SourceMap: SourceMap{Version: a.Version, Origin: "decided", Rules: ShownRules(entry.Rules)}, Time: a.Time, Actor: a.Actor, Action: a.Action, Reason: a.Reason}
		if entry.Deleted {
			v.Origin = "configuration"
		}
		out.Items = append(out.Items, v)
	}
	return &answer[mapVersions]{out}, nil
}
