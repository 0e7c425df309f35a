package wire

// Ingested answers readings that were sent over HTTP.
type Ingested struct {
	// Accepted counts the readings that the log has acknowledged.
	Accepted int `json:"accepted"`
	// Rejected is empty, not null, when all were accepted.
	Rejected []Rejection `json:"rejected"`
	// Duplicates counts the accepted readings that came before, Conflicts those whose device and time came before with
	// another value: the first one in the log counts, they do not. Both are what the answering process has seen lately.
	Duplicates int `json:"duplicates"`
	Conflicts  int `json:"conflicts"`
}

// Rejection says why one of the readings was refused; sending it again cannot help.
type Rejection struct {
	// Index counts from 0 in the order sent.
	Index int `json:"index"`
	// Field is the JSON path of the offending field; empty when the reading as a whole is wrong.
	Field  string `json:"field"`
	Reason string `json:"reason"`
}
