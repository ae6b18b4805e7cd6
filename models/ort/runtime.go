package ort

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// ErrLibraryTooOld is wrapped by errors about a library whose C interface is older than the one that is spoken here.
var ErrLibraryTooOld = errors.New("the ONNX Runtime library is too old")

// ErrNotReady is returned by what needs the runtime before Init has succeeded.
var ErrNotReady = errors.New("ONNX Runtime is not loaded, expected a call of Init before")

// environment is the runtime's one environment per process, which is the runtime's own rule.
var environment struct {
	sync.Mutex
	path    string // empty until Init has succeeded
	library library
}

// Init loads the library at path and makes the environment that all sessions of the process share. Once it has
// succeeded, another call with the same path does nothing, and one with another path is an error. The runtime sends no
// telemetry, see telemetryOff, and writes nothing to stderr: whatever fails is returned.
//
// Errors wrap ErrLibraryMissing when the file is not there or is no such library, and ErrLibraryTooOld when it is older
// than 1.24.
func Init(path string) error {
	environment.Lock()
	defer environment.Unlock()
	if environment.path != "" {
		if environment.path != path {
			return fmt.Errorf("loading ONNX Runtime from %q: the process already uses %q", path, environment.path)
		}
		return nil
	}
	if err := os.Setenv(telemetryOff, "1"); err != nil {
		return fmt.Errorf("loading ONNX Runtime from %q: disabling telemetry: %w", path, err)
	}
	lib, err := load(path)
	if err != nil {
		return err
	}
	ort.SetSharedLibraryPath(path)
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return fmt.Errorf("loading ONNX Runtime from %q: %w", path, clean(err))
	}
	if err := ort.DisableTelemetry(); err != nil {
		return fmt.Errorf("loading ONNX Runtime from %q: disabling telemetry: %w", path, clean(err))
	}
	environment.path, environment.library = path, lib
	return nil
}

// telemetryOff is the environment variable that the library looks at while it is loaded. Without it the library starts
// its telemetry in a constructor, before any of its functions can be called: it writes a log to /tmp and a database to
// the home folder, and looks its collector up. The program sets it whatever it was set to before.
const telemetryOff = "ORT_DISABLE_TELEMETRY"

// load opens the library at path and checks its version.
func load(path string) (library, error) {
	if !isFile(path) {
		return library{}, fmt.Errorf("%w (%q is no file)", ErrLibraryMissing, path)
	}
	lib, err := openLibrary(path)
	if err != nil {
		return library{}, fmt.Errorf("%w (%q: %w)", ErrLibraryMissing, path, err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(lib.version, "%d.%d", &major, &minor); err != nil {
		return library{}, fmt.Errorf("%w (%q says that its version is %q, expected a number like %s)", ErrLibraryMissing,
			path, lib.version, Version)
	}
	if major < 1 || major == 1 && minor < apiVersion {
		return library{}, fmt.Errorf("%w: %q has version %s, expected 1.%d or newer: run `make setup`", ErrLibraryTooOld,
			path, lib.version, apiVersion)
	}
	return lib, nil
}

// LibraryVersion is the version that the loaded library says it has, such as "1.30.0"; "" before Init.
func LibraryVersion() string {
	environment.Lock()
	defer environment.Unlock()
	return environment.library.version
}

func libraryPath() string {
	environment.Lock()
	defer environment.Unlock()
	return environment.path
}

// Providers lists the execution providers that the loaded library has, in the runtime's order of preference, such as
// "CUDAExecutionProvider", "CPUExecutionProvider".
func Providers() ([]string, error) {
	environment.Lock()
	defer environment.Unlock()
	if environment.path == "" {
		return nil, ErrNotReady
	}
	return environment.library.providers()
}

// clean makes an error of the runtime one line, without the phrases that the binding puts in front.
func clean(err error) error {
	if err == nil {
		return nil
	}
	text := oneLine(err.Error())
	for _, prefix := range []string{"Error creating C session: ", "Error running network: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return errors.New(text)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
