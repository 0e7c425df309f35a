package opcua

import (
	"errors"

	"github.com/gopcua/opcua/ua"

	"iotmon/internal/source"
)

// loginCause returns the cause of an error at the login: the server has refused it, unless the connection was lost.
func loginCause(err error) source.Cause {
	if _, answered := errors.AsType[ua.StatusCode](err); answered {
		return source.CauseLogin
	}
	return ""
}
