// SPDX-License-Identifier: GPL-2.0
/*
 * A real virtual machine whose memory is the race's own: a virtual CPU loads and
 * stores through KVM's translations, which are good until a notifier takes
 * them back. Protected mode without paging, flat segments: guest addresses are
 * offsets into the range. No firmware, one loop:
 *
 *	edi	address of the word
 *	eax	the next value
 *	ecx	how many are left
 *
 * It stores, reads back, and stops at once when it reads something else. Words
 * are of 64 bits, the guest's of 32: numbers stay below 2^32.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "race.h"
#include "ways.h"

#ifdef __x86_64__

#include <linux/kvm.h>

#define CODE_AT		0xfff00000U	/* beyond any range */
#define TSS_AT		0xfffbd000U
#define PE		1U

enum { SLOT_CODE, SLOT_RANGE };

/* Ends of a run, as the guest says them by the port it writes to. */
enum { PORT_DONE = 0x10, PORT_WRONG = 0x11 };

static const unsigned char code_load[] = {
	0x8b, 0x07,		/*	mov (%edi),%eax */
	0xe6, PORT_DONE,	/*	out %al,$PORT_DONE */
};

static const unsigned char code_store[] = {
	0x89, 0x07,		/* 1:	mov %eax,(%edi) */
	0x8b, 0x1f,		/*	mov (%edi),%ebx */
	0x39, 0xc3,		/*	cmp %eax,%ebx */
	0x75, 0x05,		/*	jne 2f */
	0x40,			/*	inc %eax */
	0xe2, 0xf5,		/*	loop 1b */
	0xe6, PORT_DONE,	/*	out %al,$PORT_DONE */
	0xe6, PORT_WRONG,	/* 2:	out %al,$PORT_WRONG */
};

#define STORE_OFFSET 64	/* of its code in the page */

static int vm = -1, vcpu = -1;
static struct kvm_run *run;
static char *range;

static void slot(unsigned int n, uint64_t at, void *mem, size_t len)
{
	struct kvm_userspace_memory_region region = {
		.slot = n,
		.guest_phys_addr = at,
		.memory_size = len,
		.userspace_addr = (uintptr_t)mem,
	};

	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		race_error("KVM_SET_USER_MEMORY_REGION: %s", strerror(errno));
}

static void flat(struct kvm_segment *segment, unsigned int type, unsigned int n)
{
	*segment = (struct kvm_segment){
		.limit = ~0U,
		.selector = n << 3,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

static void start_flat(void)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		race_error("KVM_GET_SREGS: %s", strerror(errno));
	sregs.cr0 |= PE;
	flat(&sregs.cs, 11, 1);
	flat(&sregs.ds, 3, 2);
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs))
		race_error("KVM_SET_SREGS: %s", strerror(errno));
}

static const char *kvm_setup(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	char *code;
	int size;

	if (kvm < 0)
		return "needs KVM: /dev/kvm cannot be opened";
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (vm < 0 || size < 0)
		return "needs KVM: it makes no virtual machine";
	/* Ignored where the CPU needs none. */
	ioctl(vm, KVM_SET_TSS_ADDR, TSS_AT);
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return "needs KVM: it makes no virtual CPU";
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	code = mmap(NULL, race_page_size(), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run == MAP_FAILED || code == MAP_FAILED)
		race_error("mmap: %s", strerror(errno));
	memcpy(code, code_load, sizeof(code_load));
	memcpy(code + STORE_OFFSET, code_store, sizeof(code_store));
	slot(SLOT_CODE, CODE_AT, code, race_page_size());
	start_flat();
	close(kvm);
	return NULL;
}

static void kvm_range(char *mem, size_t len)
{
	range = mem;
	slot(SLOT_RANGE, 0, mem, len);
}

/* Runs the code until the guest says that it is done; the registers then. */
static struct kvm_regs guest(unsigned int offset, volatile uint64_t *p,
			     uint32_t value, uint32_t n)
{
	struct kvm_regs regs = {
		.rip = CODE_AT + offset,
		.rdi = (uintptr_t)p - (uintptr_t)range,
		.rax = value,
		.rcx = n,
		.rflags = 2,
	};

	if (ioctl(vcpu, KVM_SET_REGS, &regs))
		race_error("KVM_SET_REGS: %s", strerror(errno));
	while (ioctl(vcpu, KVM_RUN, 0))
		if (errno != EINTR && errno != EAGAIN)
			race_error("KVM_RUN: %s", strerror(errno));
	if (run->exit_reason != KVM_EXIT_IO)
		race_error("KVM_RUN: exit reason %u", run->exit_reason);
	if (ioctl(vcpu, KVM_GET_REGS, &regs))
		race_error("KVM_GET_REGS: %s", strerror(errno));
	return regs;
}

static uint64_t kvm_get(volatile uint64_t *p)
{
	return (uint32_t)guest(0, p, 0, 0).rax;
}

static uint64_t kvm_burst(volatile uint64_t *p, uint64_t first, uint64_t n)
{
	struct kvm_regs regs = guest(STORE_OFFSET, p, first, n);

	if (run->io.port == PORT_DONE)
		return regs.rax - 1;
	race_fail("the virtual CPU stored %u and read back %u",
		  (uint32_t)regs.rax, (uint32_t)regs.rbx);
	return regs.rax;
}

static void kvm_set(volatile uint64_t *p, uint64_t value)
{
	kvm_burst(p, value, 1);
}

const struct way way_kvm = {
	.name = "kvm",
	.setup = kvm_setup,
	.range = kvm_range,
	.get = kvm_get,
	.set = kvm_set,
	.burst = kvm_burst,
};

#else

static const char *kvm_setup(void)
{
	return "there is no guest code for this architecture";
}

const struct way way_kvm = { .name = "kvm", .setup = kvm_setup };

#endif
