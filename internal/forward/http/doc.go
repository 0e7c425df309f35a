// Package httpforward forwards readings to another iotmon over HTTP.
package httpforward
