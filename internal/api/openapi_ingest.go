package api

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"iotmon/internal/wire"
)

const ingestDescription = "One reading, an array of readings, or one reading per line (NDJSON), optionally compressed with gzip. The " +
	"answer comes once the log has acknowledged: what is accepted is safe. Each reading stands for itself: a bad one is " +
	"rejected with its index, field and reason, and the others count. Among the readings there may be reports about devices, as a gateway forwards " +
	"them: {\"device_id\": …, \"report\": {\"status\": online, offline or bad, \"reason\", \"time\", \"session\", \"historical\"}}. After 429, 503 or no answer at all, send the same " +
	"request again: a reading counts once, by its device_id and timestamp."

const ingestCurl = `curl ` + defaultBaseURL + Prefix + `/readings -H 'Content-Type: application/json' -d '{
  "device_id": "press-7", "device_type": "pressure_sensor",
  "timestamp": "'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'", "value": 1013.2, "unit": "hPa"}'`

// malformedBody is the problem for a body that is not JSON.
type malformedBody struct {
	huma.ErrorModel
	Offset int64 `json:"offset,omitempty" doc:"The bytes up to and including the first that cannot belong to a JSON text."`
}

// documentIngest describes the operation that Options.Ingest serves. It streams its body with its own limits, so it is not
// a handler of huma, but it belongs in the document.
func documentIngest(document *huma.OpenAPI) {
	registry := document.Components.Schemas
	reading := registry.Schema(reflect.TypeFor[wire.Reading](), true, "")
	result := registry.Schema(reflect.TypeFor[wire.Ingested](), true, "")
	op := &huma.Operation{
		OperationID: "send-readings",
		Method:      http.MethodPost,
		Path:        Prefix + "/readings",
		Tags:        []string{"Ingest"},
		Summary:     "Send readings",
		Description: ingestDescription,
		Parameters: []*huma.Param{{
			Name: "Content-Encoding", In: "header", Description: "How the body is compressed; absent if it is not.",
			Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"gzip"}},
		}},
		RequestBody: &huma.RequestBody{
			Required: true,
			Content: map[string]*huma.MediaType{
				"application/json":     {Schema: &huma.Schema{OneOf: []*huma.Schema{reading, {Type: huma.TypeArray, Items: reading}}}},
				"application/x-ndjson": {Schema: reading},
				"application/vnd.influx.line-protocol": {Schema: &huma.Schema{
					Type: huma.TypeString, Description: "Lines of InfluxDB's line protocol, for which ingest.map has rules.",
				}},
			},
		},
		Responses: map[string]*huma.Response{
			"200": jsonResponse("Every reading was accepted.", result),
			"207": jsonResponse("Some were rejected; of a batch perhaps all, so that a forwarder does not repeat it for ever.", result),
			"422": jsonResponse("A single reading, and it was rejected.", result),
		},
		Extensions: map[string]any{"x-codeSamples": []map[string]string{{"lang": "Shell", "source": ingestCurl}}},
	}
	addProblems(op, registry, map[int]string{
		http.StatusBadRequest:            "No readings, or not JSON: offset is that of the first wrong byte. Nothing was accepted.",
		http.StatusMethodNotAllowed:      "Not a POST.",
		http.StatusRequestTimeout:        "The body took too long to arrive.",
		http.StatusRequestEntityTooLarge: "The body, as sent or decompressed, or the number of readings is over the bound.",
		http.StatusUnsupportedMediaType:  "Content-Type or Content-Encoding is none of those above.",
		http.StatusTooManyRequests:       "Too many requests or bytes are in flight; Retry-After says when to try again.",
		http.StatusServiceUnavailable:    "The log did not acknowledge in time; Retry-After says when to send everything again.",
	})
	op.Responses["400"].Content["application/problem+json"].Schema = registry.Schema(reflect.TypeFor[malformedBody](), true, "")
	describeDialects(registry.Map()["Reading"])
	document.AddOperation(op)
}

// describeDialects extends the schema of a reading to all accepted forms, which are more than those of the Go type: a
// client that validates requests against the document must not refuse accepted ones.
func describeDialects(reading *huma.Schema) {
	for _, name := range []string{"timestamp", "received_at"} {
		reading.Properties[name] = &huma.Schema{OneOf: []*huma.Schema{
			{Type: huma.TypeString, Description: "RFC 3339, another form of ISO 8601 with a zone, or Unix time in quotes."},
			{Type: huma.TypeNumber, Description: "Unix time in seconds, milliseconds, microseconds or nanoseconds, by its size."},
		}}
	}
	reading.Properties["value"] = &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeNumber, Format: "double"},
		{Type: huma.TypeBoolean, Description: "For a type with two states."},
		{Type: huma.TypeString, Description: "A number, with its unit or without; for a type with states the name of a state, in any case."},
	}}
	reading.Properties["quality"] = &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString, Description: "good, uncertain or bad in any case, the name of a status code of OPC UA, or a code."},
		{Type: huma.TypeInteger, Description: "A status code of OPC UA, or a quality of OPC DA."},
	}}
}

func jsonResponse(description string, schema *huma.Schema) *huma.Response {
	return &huma.Response{
		Description: description,
		Content:     map[string]*huma.MediaType{"application/json": {Schema: schema}},
	}
}

func addProblems(op *huma.Operation, registry huma.Registry, problems map[int]string) {
	schema := registry.Schema(reflect.TypeFor[huma.ErrorModel](), true, "")
	for status, description := range problems {
		op.Responses[strconv.Itoa(status)] = &huma.Response{
			Description: description,
			Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
		}
	}
}
