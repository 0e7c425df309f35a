package api

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/alert"
	"iotmon/internal/control"
	"iotmon/internal/iot"
)

func (s *server) registerRulesFile(api huma.API) {
	if s.o.Rules == nil {
		return
	}
	huma.Register(api, huma.Operation{
		OperationID: "export-rules", Method: http.MethodGet, Path: Prefix + "/rules/export", Tags: []string{"Rules"},
		Summary:     "Export the alert rules as YAML",
		Description: "The rules in force in the order of their names, with the keys of the API and without versions, so that equal rules are equal files.",
		Errors:      []int{http.StatusServiceUnavailable},
	}, s.exportRules)
	huma.Register(api, huma.Operation{
		OperationID: "import-rules", Method: http.MethodPost, Path: Prefix + "/rules/import", Tags: []string{"Rules"},
		Summary: "Change alert rules by YAML",
		Description: "A file as the export writes it: each rule in it is added or replaces the one of its name. Rules that are not in it stay, or are deleted with delete. " +
			"All of it is done in one transaction, or nothing if a rule has a mistake; each mistake is answered with its line and key. With dry_run nothing is done; the answer is the " +
			"same, with the versions of the rules. Sent back as JSON with the file, they must still be those: otherwise 412 lists the rules that somebody has changed since, and nothing is done. " +
			"A file alone is imported whatever has changed. At most 1,000 rules and 8 MiB.",
		RequestBody:  &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{}},
		Responses:    map[string]*huma.Response{"202": {Description: "Decided, and not yet all in force."}},
		Errors:       []int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusPreconditionFailed, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		MaxBodyBytes: 2 * maxRulesBytes, SkipValidateBody: true,
	}, s.importRules)
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	paths := api.OpenAPI().Paths
	paths[Prefix+"/rules/export"].Get.Responses["200"].Content = map[string]*huma.MediaType{yamlMediaType: text}
	body := paths[Prefix+"/rules/import"].Post.RequestBody.Content
	body[yamlMediaType] = text
	body[jsonMediaType] = &huma.MediaType{Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[RulesFile](), true, "RulesFile")}
}

// jsonMediaType is the type of a RulesFile.
const jsonMediaType = "application/json"

// RulesFile is a file of rules with the versions that a dry run has answered. It is exported for the library.
type RulesFile struct {
	File     string           `json:"file" doc:"The file, as YAML."`
	Versions map[string]int64 `json:"versions,omitempty" doc:"The versions of the rules, 0 or absent for none, as a dry run with the same delete has answered them. Without them nothing is compared."`
}

func (s *server) exportRules(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
	entries, err := s.o.Rules.Rules()
	if err != nil {
		return nil, s.decisionProblem(ctx, err)
	}
	rules := make([]NewRule, len(entries))
	for i := range entries {
		rules[i] = NewRule{entries[i].Rule.Name, toRuleBody(&entries[i].Rule)}
	}
	text, err := encodeRules(rules)
	if err != nil {
		return nil, fmt.Errorf("export rules: %w", err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		c.SetHeader("Content-Type", yamlMediaType)
		c.SetHeader("Content-Disposition", `attachment; filename="rules.yaml"`)
		_, _ = c.BodyWriter().Write(text) // It fails only if the client is gone.
	}}, nil
}

type importRulesInput struct {
	Why
	ContentType string `header:"Content-Type" hidden:"true"`
	DryRun      bool   `query:"dry_run" doc:"Answer with what would change, and change nothing."`
	Delete      bool   `query:"delete" doc:"Delete the rules that are not in the file."`
	RawBody     []byte `contentType:"application/yaml"`
}

// rulesFile returns the file in the body. The error is a problem.
func (s *server) rulesFile(in *importRulesInput) (*RulesFile, error) {
	file := &RulesFile{File: string(in.RawBody)}
	if kind, _, _ := mime.ParseMediaType(in.ContentType); kind == jsonMediaType {
		*file = RulesFile{}
		if err := s.decodeBody(in.RawBody, s.document.Paths[Prefix+"/rules/import"].Post, file); err != nil {
			return nil, err
		}
	}
	if len(file.File) > maxRulesBytes {
		return nil, huma.NewError(http.StatusRequestEntityTooLarge, fmt.Sprintf("the file is larger than %d MiB", maxRulesBytes>>20))
	}
	return file, nil
}

// rulesImported is what an import does.
type rulesImported struct {
	DryRun    bool         `json:"dry_run"`
	Rules     int          `json:"rules" doc:"The rules in the file."`
	Unchanged int          `json:"unchanged" doc:"How many of them are in force already."`
	InForce   bool         `json:"in_force" doc:"Whether every processor goes by all that has changed."`
	Items     []ruleChange `json:"items" nullable:"false" doc:"What changes, in the order of the file; deleted rules come last."`
	// Versions are for RulesFile.
	Versions map[string]int64 `json:"versions,omitempty" doc:"Only of a dry run: the versions that the rules have, to be sent back."`
}

// ruleChange is what becomes of one rule.
type ruleChange struct {
	Name   string     `json:"name"`
	Change string     `json:"change" enum:"added,changed,deleted"`
	Before *RuleShown `json:"before,omitempty" doc:"Absent if there was none."`
	After  *RuleShown `json:"after,omitempty" doc:"Absent if it is deleted."`
}

type rulesImportedAnswer struct {
	Status int
	Body   rulesImported
}

func (s *server) importRules(ctx context.Context, in *importRulesInput) (*rulesImportedAnswer, error) {
	file, err := s.rulesFile(in)
	if err != nil {
		return nil, err
	}
	rules, wrong := decodeRules([]byte(file.File), s.o.Catalog)
	if len(wrong) > 0 {
		return nil, fileProblem(wrong)
	}
	edits, err := s.rulesEdits(ctx, rules, in.Delete)
	if err != nil {
		return nil, err
	}
	for i := range edits {
		if file.Versions != nil {
			edits[i].If = control.Condition{Versions: []int64{file.Versions[edits[i].Name]}}
		}
	}
	release, err := s.admitDecision()
	if err != nil {
		return nil, err
	}
	defer release()
	how := s.rulesChange(in.by("import"), rules)
	how.Plan = in.DryRun
	outcomes, err := s.o.Rules.ChangeRules(ctx, edits, how)
	if err != nil {
		return nil, s.importProblem(ctx, err, rules)
	}
	s.decisionMade(ctx)
	out := &rulesImportedAnswer{Status: http.StatusOK, Body: rulesImported{DryRun: in.DryRun, Rules: len(rules), Items: []ruleChange{}}}
	if in.DryRun {
		out.Body.Versions = make(map[string]int64)
	}
	for i := range outcomes {
		if in.DryRun {
			out.Body.Versions[edits[i].Name] = outcomes[i].Before.Version
		}
		if !outcomes[i].Changed() {
			out.Body.Unchanged++
			continue
		}
		out.Body.Items = append(out.Body.Items, toRuleChange(edits[i].Name, &outcomes[i]))
	}
	if in.DryRun {
		return out, nil
	}
	if out.Body.InForce = s.waitRules(ctx, edits, outcomes); !out.Body.InForce {
		out.Status = http.StatusAccepted
	}
	return out, nil
}

// rulesChange is ruleChange for a file: of too many rules those of the file are wrong, the last ones first.
func (s *server) rulesChange(by control.By, file []ruleInFile) control.RuleChange {
	how := s.ruleChange(by)
	check := how.Check
	how.Check = func(rules []iot.Rule) error {
		places := make(map[string]int, len(file))
		for i := range file {
			places[file[i].Name] = i + 1 // 0 for the others.
		}
		slices.SortStableFunc(rules, func(a, b iot.Rule) int { return places[a.Name] - places[b.Name] })
		return check(rules)
	}
	return how
}

// rulesEdits returns the edits that put the rules in force and, if others are to be deleted, those that delete them.
func (s *server) rulesEdits(ctx context.Context, rules []ruleInFile, deleteOthers bool) ([]control.RuleEdit, error) {
	var edits []control.RuleEdit
	named := make(map[string]bool)
	for i := range rules {
		rule := rules[i].Rule
		named[rule.Name] = true
		edits = append(edits, control.RuleEdit{Name: rule.Name, To: func(iot.RuleEntry) (iot.RuleEntry, error) {
			return iot.RuleEntry{Rule: rule}, nil
		}})
	}
	if !deleteOthers {
		return edits, nil
	}
	entries, err := s.o.Rules.Rules()
	if err != nil {
		return nil, s.decisionProblem(ctx, err)
	}
	for i := range entries {
		if name := entries[i].Rule.Name; !named[name] {
			edits = append(edits, control.RuleEdit{Name: name, To: func(iot.RuleEntry) (iot.RuleEntry, error) {
				return iot.RuleEntry{Deleted: true}, nil
			}})
		}
	}
	return edits, nil
}

func toRuleChange(name string, o *control.RuleOutcome) ruleChange {
	c := ruleChange{Name: name, Change: "changed"}
	if o.Before.Version > 0 && !o.Before.Deleted {
		shown := toRuleShown(&o.Before)
		c.Before = &shown
	} else {
		c.Change = "added"
	}
	if o.After.Deleted {
		c.Change = "deleted"
	} else {
		shown := toRuleShown(&o.After)
		c.After = &shown
	}
	return c
}

// waitRules waits until all that has changed is in force; false after inForceTimeout or when ctx ends.
func (s *server) waitRules(ctx context.Context, edits []control.RuleEdit, outcomes []control.RuleOutcome) bool {
	ctx, cancel := context.WithTimeout(ctx, inForceTimeout)
	defer cancel()
	for i := range outcomes {
		if outcomes[i].Changed() && !s.o.Entries.Wait(ctx, control.RuleRef(edits[i].Name), outcomes[i].After.Version) {
			return false
		}
	}
	return true
}

// fileProblem says what is wrong with a file, a detail for each *fileError.
func fileProblem(wrong []error) error {
	details := make([]error, 0, len(wrong))
	for _, err := range wrong {
		if at := (*fileError)(nil); errors.As(err, &at) {
			where := at.place
			if at.line > 0 {
				where = fmt.Sprintf("line %d, %s", at.line, at.place)
			}
			err = &huma.ErrorDetail{Message: at.reason, Location: where}
		}
		details = append(details, err)
	}
	return huma.Error422UnprocessableEntity("nothing is imported, because the file has "+mistakesWords(len(wrong)), details...)
}

func mistakesWords(count int) string {
	if count == 1 {
		return "1 mistake"
	}
	return fmt.Sprintf("%d mistakes", count)
}

// importProblem converts an error of ChangeRules to a problem.
func (s *server) importProblem(ctx context.Context, err error, rules []ruleInFile) error {
	if errors.Is(err, control.ErrUnavailable) {
		return s.decisionProblem(ctx, err)
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	if problem := changedProblem(all); problem != nil {
		return problem
	}
	var wrong []error
	for _, err := range all {
		name := ""
		if refused := (*control.RuleError)(nil); errors.As(err, &refused) {
			name, err = refused.Rule, refused.Err
		} else if unfit := (*alert.RuleError)(nil); errors.As(err, &unfit) {
			name, err = unfit.Rule, unfit.Err
		}
		switch i := slices.IndexFunc(rules, func(r ruleInFile) bool { return r.Name == name }); {
		case i >= 0:
			wrong = append(wrong, rules[i].wrong(err))
		case name != "":
			wrong = append(wrong, &fileError{place: "rules", reason: fmt.Sprintf("rule %s: %v", iot.Quote(name), err)})
		default:
			wrong = append(wrong, &fileError{place: "rules", reason: err.Error()})
		}
	}
	return fileProblem(wrong)
}

// changedProblem lists the rules that have other versions than those of the dry run; nil if the errors are others.
func changedProblem(all []error) error {
	var details []error
	for _, err := range all {
		refused, version := (*control.RuleError)(nil), (*control.VersionError)(nil)
		if errors.As(err, &refused) && errors.As(err, &version) {
			details = append(details, &huma.ErrorDetail{Message: fmt.Sprintf("has version %d now", version.Version), Location: refused.Rule})
		}
	}
	if len(details) == 0 {
		return nil
	}
	return huma.Error412PreconditionFailed("nothing is imported, because somebody has changed rules since the dry run: look at another one", details...)
}
