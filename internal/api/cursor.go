package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
)

// A cursor holds the last row of a page; the next page starts after it, whatever rows were added since. The checksum in
// front also covers the listing's other parameters: a cursor that was changed, or is used with another filter or order, is
// refused, because it would silently skip rows.
const checksumLength = 8

// listing identifies the listing of a cursor: the endpoint and its parameters without limit and cursor.
func listing(endpoint string, parameters any) string {
	return fmt.Sprintf("%s %+v", endpoint, parameters)
}

func checksum(listing string, payload []byte) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", len(listing), listing, payload))
	return sum[:checksumLength]
}

// seal returns the cursor that points after the row.
func seal[T any](listing string, row T) (string, error) {
	payload, err := json.Marshal(row)
	if err != nil {
		return "", fmt.Errorf("encode cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append(checksum(listing, payload), payload...)), nil
}

// unseal returns the row of a cursor, or a 400 problem if the cursor was changed or belongs to another listing.
func unseal[T any](listing, cursor string) (T, error) {
	var row T
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(sealed) < checksumLength ||
		!bytes.Equal(sealed[:checksumLength], checksum(listing, sealed[checksumLength:])) ||
		json.Unmarshal(sealed[checksumLength:], &row) != nil {
		return row, huma.Error400BadRequest("the cursor does not belong to this listing", &huma.ErrorDetail{
			Message:  "must be the next of a page with the same filter and order",
			Location: "query.cursor",
			Value:    cursor,
		})
	}
	return row, nil
}
