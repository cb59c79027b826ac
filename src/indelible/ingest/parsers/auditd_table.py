"""What system calls and record types of the Linux audit mean: object, verb, operation class. Data.

The types are those of libaudit.h and linux/audit.h. Types that only complete an event (PATH, CWD,
EXECVE ...) tell nothing by themselves; what is in neither table keeps its own name.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final, NamedTuple

from indelible.event.model import Operation


class Meaning(NamedTuple):
    """What is done to what: `linux.OBJECT.VERB`."""

    object: str
    verb: str
    operation: Operation


_SYSCALLS: Final = """
    file.open read: open openat openat2 open_by_handle_at
    file.create create: creat mknod mknodat
    file.truncate update: truncate ftruncate truncate64 ftruncate64 fallocate
    file.rename update: rename renameat renameat2
    file.link create: link linkat
    file.symlink create: symlink symlinkat
    file.delete delete: unlink unlinkat
    file.change_mode update: chmod fchmod fchmodat fchmodat2
    file.change_owner update: chown fchown lchown fchownat chown32 fchown32 lchown32
    file.touch update: utime utimes utimensat futimesat
    file.read read: read pread readv preadv preadv2 readlink readlinkat sendfile
    file.write update: write pwrite writev pwritev pwritev2 copy_file_range
    file.check read: access faccessat faccessat2 stat lstat fstat stat64 newfstatat statx
    file_attribute.set update: setxattr lsetxattr fsetxattr setxattrat file_setattr
    file_attribute.get read: getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
    file_attribute.remove delete: removexattr lremovexattr fremovexattr removexattrat
    directory.create create: mkdir mkdirat
    directory.delete delete: rmdir
    directory.list read: getdents getdents64
    directory.enter other: chdir fchdir
    process.execute execute: execve execveat uselib
    process.create other: fork vfork clone clone3
    process.signal execute: kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal
    process.trace execute: ptrace process_vm_readv process_vm_writev pidfd_getfd
    process.set_identity other: setuid setgid setreuid setregid setresuid setresgid setfsuid
        setfsgid setgroups setuid32 setgid32 setreuid32 setregid32 setresuid32 setresgid32
    process.set_capabilities other: capset prctl
    process.exit other: exit exit_group
    namespace.enter other: unshare setns
    memory.protect other: mprotect pkey_mprotect mmap memfd_create
    socket.create other: socket socketpair socketcall
    socket.connect other: connect
    socket.bind other: bind
    socket.listen other: listen
    socket.accept other: accept accept4
    socket.send other: sendto sendmsg sendmmsg
    socket.receive other: recvfrom recvmsg recvmmsg
    filesystem.mount configure: mount move_mount fsmount fsconfig mount_setattr
    filesystem.unmount configure: umount umount2
    filesystem.change_root configure: chroot pivot_root
    filesystem.set_quota configure: quotactl quotactl_fd
    swap.enable configure: swapon
    swap.disable configure: swapoff
    kernel_module.load configure: init_module finit_module create_module
    kernel_module.unload configure: delete_module
    kernel.load configure: kexec_load kexec_file_load
    kernel.bpf configure: bpf
    kernel.trace read: perf_event_open
    kernel.read_log read: syslog
    key.add create: add_key
    key.request read: request_key
    key.control other: keyctl
    system.reboot execute: reboot
    system.rename configure: sethostname setdomainname
    system.set_io_rights configure: iopl ioperm
    system.set_accounting configure: acct
    system_time.set configure: settimeofday clock_settime adjtimex clock_adjtime stime"""

_RECORDS: Final = """
    user.login login: USER_LOGIN
    user.logout logout: USER_LOGOUT
    user.authenticate login: USER_AUTH CRYPTO_LOGIN
    group.authenticate login: GRP_AUTH
    user.check_account other: USER_ACCT
    user.error other: USER_ERR
    session.open other: USER_START
    session.close other: USER_END
    session.assign other: LOGIN
    credential.acquire other: CRED_ACQ
    credential.refresh other: CRED_REFR
    credential.dispose other: CRED_DISP
    user.create create: ADD_USER
    user.delete delete: DEL_USER
    user.update update: USER_MGMT
    user.change_password update: USER_CHAUTHTOK
    user.lock revoke: ACCT_LOCK
    user.unlock grant: ACCT_UNLOCK
    group.create create: ADD_GROUP
    group.delete delete: DEL_GROUP
    group.update update: GRP_MGMT
    group.change_password update: GRP_CHAUTHTOK
    role.assign grant: ROLE_ASSIGN
    role.remove revoke: ROLE_REMOVE
    role.update update: ROLE_MODIFY
    role.change other: USER_ROLE_CHANGE
    process.set_identity other: CHUSER_ID CHGRP_ID
    command.execute execute: USER_CMD
    terminal.input other: TTY USER_TTY
    service.start execute: SERVICE_START
    service.stop execute: SERVICE_STOP
    system.boot execute: SYSTEM_BOOT
    system.shut_down execute: SYSTEM_SHUTDOWN
    system.change_runlevel configure: SYSTEM_RUNLEVEL
    system.configure configure: USYS_CONFIG
    system_time.set configure: TIME_INJOFFSET TIME_ADJNTPVAL
    package.update configure: SOFTWARE_UPDATE
    audit.start configure: DAEMON_START
    audit.stop configure: DAEMON_END
    audit.abort configure: DAEMON_ABORT DAEMON_ERR
    audit.configure configure: DAEMON_CONFIG DAEMON_RECONFIG CONFIG_CHANGE FEATURE_CHANGE
    audit.rotate other: DAEMON_ROTATE
    audit.resume other: DAEMON_RESUME
    audit.accept other: DAEMON_ACCEPT
    audit.close other: DAEMON_CLOSE
    firewall.configure configure: NETFILTER_CFG
    kernel_module.load configure: KERN_MODULE
    kernel.bpf configure: BPF
    selinux.load configure: MAC_POLICY_LOAD USER_MAC_POLICY_LOAD
    selinux.set_mode configure: MAC_STATUS
    selinux.configure configure: MAC_CONFIG_CHANGE USER_MAC_CONFIG_CHANGE
    selinux.check other: AVC USER_AVC MAC_CHECK
    selinux.error other: SELINUX_ERR USER_SELINUX_ERR
    selinux.relabel configure: FS_RELABEL
    label.override grant: LABEL_OVERRIDE
    label.change configure: LABEL_LEVEL_CHANGE
    access.check other: DAC_CHECK
    network_label.configure configure: MAC_UNLBL_ALLOW MAC_UNLBL_STCADD MAC_UNLBL_STCDEL
        MAC_CIPSOV4_ADD MAC_CIPSOV4_DEL MAC_MAP_ADD MAC_MAP_DEL MAC_CALIPSO_ADD MAC_CALIPSO_DEL
    ipsec.configure configure: MAC_IPSEC_EVENT MAC_IPSEC_ADDSA MAC_IPSEC_DELSA MAC_IPSEC_ADDSPD
        MAC_IPSEC_DELSPD
    seccomp.violate other: SECCOMP
    process.crash other: ANOM_ABEND
    network_interface.set_promiscuous configure: ANOM_PROMISCUOUS
    link.misuse other: ANOM_LINK
    crypto_key.negotiate other: CRYPTO_KEY_USER
    crypto_session.start other: CRYPTO_SESSION
    crypto.logout logout: CRYPTO_LOGOUT
    crypto.configure configure: CRYPTO_PARAM_CHANGE_USER
    crypto.test other: CRYPTO_TEST_USER CRYPTO_FAILURE_USER CRYPTO_REPLAY_USER
    virtual_machine.control execute: VIRT_CONTROL
    virtual_machine.create create: VIRT_CREATE
    virtual_machine.delete delete: VIRT_DESTROY
    virtual_machine.label configure: VIRT_MACHINE_ID
    virtual_machine.assign configure: VIRT_RESOURCE
    virtual_machine.migrate execute: VIRT_MIGRATE_IN VIRT_MIGRATE_OUT
    device.allocate grant: DEV_ALLOC
    device.release revoke: DEV_DEALLOC
    data.export export: USER_LABELED_EXPORT USER_UNLABELED_EXPORT
    integrity.check other: INTEGRITY_DATA INTEGRITY_METADATA INTEGRITY_STATUS INTEGRITY_HASH
        INTEGRITY_PCR INTEGRITY_RULE INTEGRITY_EVM_XATTR INTEGRITY_POLICY_RULE
    file.check other: FANOTIFY"""

_COMPLETING: Final = """
    PATH CWD EXECVE PROCTITLE SOCKADDR SYSCALL EOE BPRM_FCAPS CAPSET MMAP FD_PAIR IPC
    IPC_SET_PERM MQ_OPEN MQ_SENDRECV MQ_NOTIFY MQ_GETSETATTR OBJ_PID NETFILTER_PKT SOCKETCALL
    AVC_PATH KERNEL_OTHER OPENAT2 URINGOP MAC_TASK_CONTEXTS MAC_OBJ_CONTEXTS CONTAINER_ID
    PARENT_INFO"""
COMPLETING: Final = frozenset(_COMPLETING.split())
"""Records that belong to an event that another record tells."""

_KERNEL: Final = """
    LOGIN CONFIG_CHANGE AVC SELINUX_ERR MAC_POLICY_LOAD MAC_STATUS MAC_CONFIG_CHANGE
    MAC_UNLBL_ALLOW MAC_UNLBL_STCADD MAC_UNLBL_STCDEL MAC_CIPSOV4_ADD MAC_CIPSOV4_DEL MAC_MAP_ADD
    MAC_MAP_DEL MAC_IPSEC_EVENT MAC_CALIPSO_ADD MAC_CALIPSO_DEL NETFILTER_CFG SECCOMP BPF
    KERN_MODULE FANOTIFY TIME_INJOFFSET TIME_ADJNTPVAL FEATURE_CHANGE ANOM_PROMISCUOUS ANOM_ABEND
    ANOM_LINK ANOM_CREAT TTY INTEGRITY_DATA INTEGRITY_METADATA INTEGRITY_STATUS INTEGRITY_HASH
    INTEGRITY_PCR INTEGRITY_RULE INTEGRITY_EVM_XATTR INTEGRITY_POLICY_RULE EVENT_LISTENER
    DM_CTRL DM_EVENT LANDLOCK_ACCESS LANDLOCK_DOMAIN IPE_ACCESS IPE_CONFIG_CHANGE
    IPE_POLICY_LOAD KERNEL REPLACE"""
KERNEL: Final = COMPLETING | frozenset(_KERNEL.split())
"""Types that the kernel writes: others may follow within the same event."""


def _table(text: str) -> dict[str, Meaning]:
    found: dict[str, Meaning] = {}
    meaning = None
    for line in text.strip().splitlines():
        head, colon, names = line.partition(":")
        if colon:
            action, _, operation = head.strip().partition(" ")
            thing, _, verb = action.partition(".")
            meaning = Meaning(thing, verb, Operation(operation))
        assert meaning is not None
        for name in (names if colon else line).split():
            found[name] = meaning
    return found


SYSCALLS: Final = MappingProxyType(_table(_SYSCALLS))
RECORDS: Final = MappingProxyType(_table(_RECORDS))

_ERRORS: Final = """
    EPERM=1 ENOENT=2 ESRCH=3 EINTR=4 EIO=5 ENXIO=6 E2BIG=7 ENOEXEC=8 EBADF=9 ECHILD=10
    EAGAIN=11 ENOMEM=12 EACCES=13 EFAULT=14 ENOTBLK=15 EBUSY=16 EEXIST=17 EXDEV=18 ENODEV=19
    ENOTDIR=20 EISDIR=21 EINVAL=22 ENFILE=23 EMFILE=24 ENOTTY=25 ETXTBSY=26 EFBIG=27
    ENOSPC=28 ESPIPE=29 EROFS=30 EMLINK=31 EPIPE=32 ENAMETOOLONG=36 ENOSYS=38 ENOTEMPTY=39
    ELOOP=40 EOVERFLOW=75 ENOTSOCK=88 EOPNOTSUPP=95 EAFNOSUPPORT=97 EADDRINUSE=98
    EADDRNOTAVAIL=99 ENETDOWN=100 ENETUNREACH=101 ECONNRESET=104 ENOTCONN=107 ETIMEDOUT=110
    ECONNREFUSED=111 EHOSTDOWN=112 EHOSTUNREACH=113 EALREADY=114 EINPROGRESS=115 ESTALE=116
    EDQUOT=122 ECANCELED=125 ENOKEY=126 EKEYEXPIRED=127 EKEYREVOKED=128 EKEYREJECTED=129"""
ERRORS: Final = MappingProxyType(
    {number: name for name, _, number in (one.partition("=") for one in _ERRORS.split())}
)
"""Linux error numbers by `exit` without its sign."""

DIRECTORY_ARGUMENTS: Final = MappingProxyType(
    {
        **dict.fromkeys(
            ("openat", "openat2", "mkdirat", "mknodat", "unlinkat", "fchownat", "fchmodat",
             "fchmodat2", "faccessat", "faccessat2", "readlinkat", "utimensat", "futimesat",
             "newfstatat", "execveat", "statx"),
            ("a0",),
        ),
        **dict.fromkeys(("renameat", "renameat2", "linkat"), ("a0", "a2")),
        "symlinkat": ("a1",),
    }
)
"""Which arguments name the directory that a call's relative paths start from."""
