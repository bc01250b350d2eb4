//go:build unix && !linux

package child

import (
	"os/exec"
	"syscall"
)

// Only Linux can tie a child's life to its parent's. Elsewhere a hard kill of the stack leaves its servers behind; the
// next start then names the busy port.
func setAttributes(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
