"""System calls by architecture and number: what `syscall=257` of `arch=c000003e` is called.

Numbers are those of the Linux kernel (x86_64 and arm64 whole, i386 the usual ones); from 424 on
they are the same everywhere. Records of other architectures keep their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from indelible.base.limits import REMEMBERED

_EVERYWHERE: Final = """
    pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount
    fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2
    process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset
    landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv
    set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait
    futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules
    mseal setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr
    file_setattr"""
_X86_64: Final = """
    read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction
    rt_sigprocmask rt_sigreturn ioctl pread pwrite readv writev access pipe select sched_yield
    mremap msync mincore madvise shmget shmat shmctl dup dup2 pause nanosleep getitimer alarm
    setitimer getpid sendfile socket connect accept sendto recvfrom sendmsg recvmsg shutdown
    bind listen getsockname getpeername socketpair setsockopt getsockopt clone fork vfork
    execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd msgrcv msgctl fcntl
    flock fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir
    creat link unlink symlink readlink chmod fchmod chown fchown lchown umask gettimeofday
    getrlimit getrusage sysinfo times ptrace getuid syslog getgid setuid setgid geteuid getegid
    setpgid getppid getpgrp setsid setreuid setregid getgroups setgroups setresuid getresuid
    setresgid getresgid getpgid setfsuid setfsgid getsid capget capset rt_sigpending
    rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod uselib personality
    ustat statfs fstatfs sysfs getpriority setpriority sched_setparam sched_getparam
    sched_setscheduler sched_getscheduler sched_get_priority_max sched_get_priority_min
    sched_rr_get_interval mlock munlock mlockall munlockall vhangup modify_ldt pivot_root
    _sysctl prctl arch_prctl adjtimex setrlimit chroot sync acct settimeofday mount umount2
    swapon swapoff reboot sethostname setdomainname iopl ioperm create_module init_module
    delete_module get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg afs_syscall
    tuxcall security gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr
    listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr tkill time futex
    sched_setaffinity sched_getaffinity set_thread_area io_setup io_destroy io_getevents
    io_submit io_cancel get_thread_area lookup_dcookie epoll_create epoll_ctl_old
    epoll_wait_old remap_file_pages getdents64 set_tid_address restart_syscall semtimedop
    fadvise64 timer_create timer_settime timer_gettime timer_getoverrun timer_delete
    clock_settime clock_gettime clock_getres clock_nanosleep exit_group epoll_wait epoll_ctl
    tgkill utimes vserver mbind set_mempolicy get_mempolicy mq_open mq_unlink mq_timedsend
    mq_timedreceive mq_notify mq_getsetattr kexec_load waitid add_key request_key keyctl
    ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat
    mkdirat mknodat fchownat futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat
    fchmodat faccessat pselect6 ppoll unshare set_robust_list get_robust_list splice tee
    sync_file_range vmsplice move_pages utimensat epoll_pwait signalfd timerfd_create eventfd
    fallocate timerfd_settime timerfd_gettime accept4 signalfd4 eventfd2 epoll_create1 dup3
    pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init
    fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs sendmmsg
    setns getcpu process_vm_readv process_vm_writev kcmp finit_module sched_setattr
    sched_getattr renameat2 seccomp getrandom memfd_create kexec_file_load bpf execveat
    userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc
    pkey_free statx io_pgetevents rseq"""
_ARM64: Final = """
    io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr getxattr
    lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr
    getcwd lookup_dcookie eventfd2 epoll_create1 epoll_ctl epoll_pwait dup dup3 fcntl
    inotify_init1 inotify_add_watch inotify_rm_watch ioctl ioprio_set ioprio_get flock mknodat
    mkdirat unlinkat symlinkat linkat renameat umount2 mount pivot_root nfsservctl statfs
    fstatfs truncate ftruncate fallocate faccessat chdir fchdir chroot fchmod fchmodat fchownat
    fchown openat close vhangup pipe2 quotactl getdents lseek read write readv writev pread
    pwrite preadv pwritev sendfile pselect6 ppoll signalfd4 vmsplice splice tee readlinkat
    newfstatat newfstat sync fsync fdatasync sync_file_range timerfd_create timerfd_settime
    timerfd_gettime utimensat acct capget capset personality exit exit_group waitid
    set_tid_address unshare futex set_robust_list get_robust_list nanosleep getitimer setitimer
    kexec_load init_module delete_module timer_create timer_gettime timer_getoverrun
    timer_settime timer_delete clock_settime clock_gettime clock_getres clock_nanosleep syslog
    ptrace sched_setparam sched_setscheduler sched_getscheduler sched_getparam
    sched_setaffinity sched_getaffinity sched_yield sched_get_priority_max
    sched_get_priority_min sched_rr_get_interval restart_syscall kill tkill tgkill sigaltstack
    rt_sigsuspend rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo
    rt_sigreturn setpriority getpriority reboot setregid setgid setreuid setuid setresuid
    getresuid setresgid getresgid setfsuid setfsgid times setpgid getpgid getsid setsid
    getgroups setgroups uname sethostname setdomainname getrlimit setrlimit getrusage umask
    prctl getcpu gettimeofday settimeofday adjtimex getpid getppid getuid geteuid getgid
    getegid gettid sysinfo mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify
    mq_getsetattr msgget msgctl msgrcv msgsnd semget semctl semtimedop semop shmget shmctl
    shmat shmdt socket socketpair bind listen accept connect getsockname getpeername sendto
    recvfrom setsockopt getsockopt shutdown sendmsg recvmsg readahead brk munmap mremap add_key
    request_key keyctl clone execve mmap fadvise64 swapon swapoff mprotect msync mlock munlock
    mlockall munlockall mincore madvise remap_file_pages mbind get_mempolicy set_mempolicy
    migrate_pages move_pages rt_tgsigqueueinfo perf_event_open accept4 recvmmsg"""
_ARM64_MORE: Final = """
    wait4 prlimit64 fanotify_init fanotify_mark name_to_handle_at open_by_handle_at
    clock_adjtime syncfs setns sendmmsg process_vm_readv process_vm_writev kcmp finit_module
    sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat
    userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc
    pkey_free statx io_pgetevents rseq kexec_file_load"""
_I386: Final = """
    1=exit 2=fork 3=read 4=write 5=open 6=close 8=creat 9=link 10=unlink 11=execve 12=chdir
    14=mknod 15=chmod 16=lchown 21=mount 22=umount 23=setuid 25=stime 26=ptrace 30=utime
    33=access 37=kill 38=rename 39=mkdir 40=rmdir 46=setgid 51=acct 52=umount2 61=chroot
    74=sethostname 79=settimeofday 83=symlink 85=readlink 87=swapon 88=reboot 92=truncate
    93=ftruncate 94=fchmod 95=fchown 102=socketcall 103=syslog 120=clone 121=setdomainname
    124=adjtimex 125=mprotect 128=init_module 129=delete_module 131=quotactl 138=setfsuid
    139=setfsgid 164=setresuid 170=setresgid 172=prctl 182=chown 185=capset 190=vfork
    193=truncate64 194=ftruncate64 198=lchown32 203=setreuid32 204=setregid32 207=fchown32
    208=setresuid32 210=setresgid32 212=chown32 213=setuid32 214=setgid32 217=pivot_root
    226=setxattr 227=lsetxattr 228=fsetxattr 235=removexattr 236=lremovexattr 237=fremovexattr
    238=tkill 264=clock_settime 270=tgkill 271=utimes 286=add_key 287=request_key 288=keyctl
    295=openat 296=mkdirat 297=mknodat 298=fchownat 301=unlinkat 302=renameat 303=linkat
    304=symlinkat 305=readlinkat 306=fchmodat 307=faccessat 310=unshare 320=utimensat
    336=perf_event_open 342=open_by_handle_at 343=clock_adjtime 346=setns 347=process_vm_readv
    348=process_vm_writev 350=finit_module 353=renameat2 357=bpf 358=execveat 359=socket
    361=bind 362=connect 363=listen 364=accept4 369=sendto"""


def _numbered(names: str, first: int) -> dict[int, str]:
    return dict(enumerate(names.split(), first))


def _paired(text: str) -> dict[int, str]:
    return {int(number): name for number, _, name in (one.partition("=") for one in text.split())}


def _tables() -> dict[str, Mapping[int, str]]:
    """By the audit architecture in hexadecimal, without its prefix."""
    new = _numbered(_EVERYWHERE, 424)
    arm = {**_numbered(_ARM64, 0), **_numbered(_ARM64_MORE, 260), **new}
    return {
        "c000003e": {**_numbered(_X86_64, 0), **new},
        "c00000b7": arm,
        "40000003": {**_paired(_I386), **new},
    }


_BY_ARCH: Final = MappingProxyType(_tables())
ARCHITECTURES: Final = MappingProxyType(
    {"c000003e": "x86_64", "c00000b7": "aarch64", "40000003": "i386", "40000028": "arm",
     "c0000015": "ppc64le", "80000016": "s390x", "c00000f3": "riscv64"}
)
"""Audit architecture to the name that people use."""


@lru_cache(maxsize=REMEMBERED)
def syscall_named(arch: str, number: str) -> str:
    """The name of a system call, or '' when the table has none. Never raises."""
    table = _BY_ARCH.get(arch.lower().removeprefix("0x"))
    if table is None or not (number.isascii() and number.isdigit() and len(number) <= len("9999")):
        return ""
    return table.get(int(number), "")
