package supervise

import (
	"os"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/zkctl/zkctl/internal/filelock"
)

// separate keeps the console's Ctrl-C from the child.
func separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// inherit does nothing: locks belong to a process here.
func inherit(*exec.Cmd, *filelock.Lock) {}

// terminate would ask a process to end, for which Windows has no signal.
func terminate(*os.Process) bool { return false }

func dumpThreads(*os.Process) {}

// bound is a job: its processes end when its last handle is closed, by release or by the end of this process.
type bound struct{ job windows.Handle }

func bind(p *os.Process) (b bound, err error) {
	if b.job, err = windows.CreateJobObject(nil, nil); err != nil {
		return bound{}, err
	}
	limit := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	limit.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(b.job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limit)), uint32(unsafe.Sizeof(limit)))
	if err == nil {
		var process windows.Handle
		if process, err = windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(p.Pid)); err == nil {
			err = windows.AssignProcessToJobObject(b.job, process)
			_ = windows.CloseHandle(process)
		}
	}
	if err != nil {
		_ = windows.CloseHandle(b.job)
		return bound{}, err
	}
	return b, nil
}

func (b bound) release() { _ = windows.CloseHandle(b.job) }
