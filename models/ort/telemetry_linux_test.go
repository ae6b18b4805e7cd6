package ort

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestTelemetryIsOff loads the library and runs a model in a process that dies when it asks for a socket, and looks at
// the files that it leaves. The library's telemetry works in threads of its own, which begin while it is loaded, so the
// process waits a while before it ends.
func TestTelemetryIsOff(t *testing.T) {
	const variable = "RKD_TEST_TELEMETRY"
	if home := os.Getenv(variable); home != "" {
		if err := forbidSockets(); err != nil {
			t.Fatal(err)
		}
		run(t, session(t, loadModel(t, "conv_bn.onnx"), Options{}), tensor(t, readGolden(t).Input, 2, 1, 6, 6))
		time.Sleep(2 * time.Second)
		return
	}
	library := ready(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	c := exec.CommandContext(t.Context(), self, "-test.run", "^"+t.Name()+"$")
	// The variable is set to a value that asks for telemetry: the program does not leave it to the environment.
	c.Env = append(os.Environ(), variable+"="+home, EnvLibrary+"="+library, telemetryOff+"=0",
		"HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "TMPDIR="+home)
	start := time.Now()
	out, err := c.CombinedOutput()
	if err != nil {
		t.Errorf("the process ended with %v: it was killed if it asked for a socket\n%s", err, out)
	}
	var left []string
	err = filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(fmt.Sprintf("/tmp/mat-debug-%d*", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	logs = slices.DeleteFunc(logs, func(path string) bool { // of an earlier process with the same number
		info, err := os.Stat(path)
		return err == nil && info.ModTime().Before(start)
	})
	if left = slices.Concat(left, logs); len(left) > 0 {
		t.Errorf("the process left %s, expected no file", strings.Join(left, ", "))
	}
}

// forbidSockets makes the kernel kill the process, all of its threads, at the next call of socket.
func forbidSockets() error {
	const numberOffset = 0 // of the system call's number in struct seccomp_data
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: numberOffset},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SOCKET, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // no_new_privs is the thread's, and the filter asks for it
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("installing the filter: %w", errno)
	}
	return nil
}
