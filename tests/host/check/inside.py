"""System calls made inside another process, as code would make them that has taken it over. x86_64 only."""
import ctypes
import os
import re
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long
SINGLESTEP, GETREGS, SETREGS, ATTACH, DETACH = 9, 12, 13, 16, 17
# struct user_regs_struct of x86_64.
REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
             "fs_base gs_base ds es fs gs").split()
LAYOUT = struct.Struct(f"<{len(REGISTERS)}Q")
SYSCALL = b"\x0f\x05"
# What the kernel may write below the stack pointer is not touched.
BELOW_STACK = 4096


def ptrace(request, thread, data=None):
    if LIBC.ptrace(request, thread, None, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request} of {thread}: {os.strerror(number)}")


def an_instruction(pid):
    """Where the process has an instruction that calls the kernel."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            start, end = (int(number, 16) for number in re.match(r"(\w+)-(\w+) r-xp", line).groups()) \
                if " r-xp " in line and "[v" not in line else (0, 0)
            if end:
                memory.seek(start)
                found = memory.read(end - start).find(SYSCALL)
                if found >= 0:
                    return start + found
    raise AssertionError("no system call in the program")


class Inside:
    """A stopped thread of a process, which calls what it is told to, and goes on afterwards as if nothing had been."""

    def __init__(self, pid, thread):
        self.pid, self.thread = pid, thread
        self.instruction = an_instruction(pid)

    def __enter__(self):
        ptrace(ATTACH, self.thread)
        os.waitpid(self.thread, 0x40000000)  # __WALL
        self.saved = ctypes.create_string_buffer(LAYOUT.size)
        ptrace(GETREGS, self.thread, self.saved)
        return self

    def __exit__(self, *_):
        ptrace(SETREGS, self.thread, self.saved)
        ptrace(DETACH, self.thread)

    def call(self, number, *arguments):
        """The result: what it returned, or the negative number of its error. Bytes are given as a pointer to them."""
        registers = dict(zip(REGISTERS, LAYOUT.unpack(self.saved.raw)))
        stack = registers["rsp"] - BELOW_STACK
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
            for register, argument in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), arguments):
                if isinstance(argument, bytes):
                    stack -= len(argument) + 8
                    memory.seek(stack)
                    memory.write(argument)
                    argument = stack
                registers[register] = argument & 0xFFFFFFFFFFFFFFFF
        # The call that it was stopped in is not begun again before the registers are put back.
        registers.update(rax=number, rip=self.instruction, orig_rax=0xFFFFFFFFFFFFFFFF)
        ptrace(SETREGS, self.thread, ctypes.create_string_buffer(LAYOUT.pack(*(registers[name] for name in REGISTERS))))
        ptrace(SINGLESTEP, self.thread)
        _, status = os.waitpid(self.thread, 0x40000000)
        assert os.WIFSTOPPED(status), f"the process ended: {status:#x}"
        after = ctypes.create_string_buffer(LAYOUT.size)
        ptrace(GETREGS, self.thread, after)
        return ctypes.c_long(dict(zip(REGISTERS, LAYOUT.unpack(after.raw)))["rax"]).value
