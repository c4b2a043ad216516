// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer registered with io_uring: pinned for long, by one GUP, and then read and
 * written by the kernel through that pin, whatever happens to the page table. As long as the
 * pin is held, the pinned page must stay the one that is mapped.
 *
 * Raw system calls: the library of that name is not static on every architecture.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "race.h"
#include "ways.h"

#define PIN_USES 32	/* through one pin, before it is given back */

static int ring = -1, store_fd = -1;
static struct io_uring_params params;
static char *sq, *cq;
static struct io_uring_sqe *sqe;
/* The peer's alone, and in shared memory: see ways.c. */
static struct {
	struct iovec buffer;
	uint64_t value;
	char *pinned;
	unsigned int uses;
} *peer;

static char *map(size_t size, off_t what)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, ring, what);
}

static const char *uring_setup(void)
{
	size_t page = race_page_size();

	peer = race_shared(sizeof(*peer));
	ring = syscall(SYS_io_uring_setup, 1, &params);
	if (ring < 0)
		return errno == ENOSYS ? "the kernel has no io_uring" :
		       "io_uring is not allowed";
	store_fd = memfd_create("mmrace-uring", MFD_CLOEXEC);
	sq = map(params.sq_off.array + params.sq_entries * sizeof(uint32_t),
		 IORING_OFF_SQ_RING);
	cq = map(params.cq_off.cqes + params.cq_entries *
		 sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	sqe = (struct io_uring_sqe *)map(params.sq_entries * sizeof(*sqe),
					 IORING_OFF_SQES);
	if (store_fd < 0 || ftruncate(store_fd, page) || sq == MAP_FAILED ||
	    cq == MAP_FAILED || (void *)sqe == MAP_FAILED)
		race_error("io_uring: %s", strerror(errno));
	return NULL;
}

static atomic_uint *field(char *base, unsigned int offset)
{
	return (atomic_uint *)(base + offset);
}

static void uring_release(void)
{
	if (peer->pinned && syscall(SYS_io_uring_register, ring,
			      IORING_UNREGISTER_BUFFERS, NULL, 0))
		race_error("io_uring, unregistering: %s", strerror(errno));
	peer->pinned = NULL;
}

static void pin(volatile uint64_t *p)
{
	size_t page = race_page_size();
	char *at = (char *)((uintptr_t)p & -page);

	if (at == peer->pinned && peer->uses++ < PIN_USES)
		return;
	uring_release();
	peer->buffer = (struct iovec){ at, page };
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS,
		    &peer->buffer, 1))
		race_error("io_uring, registering a page: %s", strerror(errno));
	peer->pinned = at;
	peer->uses = 0;
}

static void transfer(int op, volatile uint64_t *p)
{
	atomic_uint *tail = field(sq, params.sq_off.tail);
	atomic_uint *done = field(cq, params.cq_off.head);
	const struct io_uring_cqe *cqes = (void *)(cq + params.cq_off.cqes);
	int32_t result;
	long n;

	pin(p);
	*sqe = (struct io_uring_sqe){
		.opcode = op,
		.fd = store_fd,
		.addr = (uintptr_t)p,
		.len = sizeof(*p),
	};
	*field(sq, params.sq_off.array) = 0;
	atomic_fetch_add(tail, 1);
	do {
		n = syscall(SYS_io_uring_enter, ring, 1, 1,
			    IORING_ENTER_GETEVENTS, NULL, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		race_error("io_uring_enter: %s", strerror(errno));
	result = cqes[*done & (params.cq_entries - 1)].res;
	atomic_fetch_add(done, 1);
	if (result != sizeof(*p))
		race_error("io_uring: %s", result < 0 ? strerror(-result) : "short");
}

static uint64_t uring_get(volatile uint64_t *p)
{
	transfer(IORING_OP_WRITE_FIXED, p);
	if (pread(store_fd, &peer->value, sizeof(*p), 0) != sizeof(*p))
		race_error("pread: %s", strerror(errno));
	return peer->value;
}

static void uring_set(volatile uint64_t *p, uint64_t value)
{
	peer->value = value;
	if (pwrite(store_fd, &peer->value, sizeof(*p), 0) != sizeof(*p))
		race_error("pwrite: %s", strerror(errno));
	transfer(IORING_OP_READ_FIXED, p);
}

const struct way way_uring = {
	.name = "uring",
	.pins_for_long = true,
	.setup = uring_setup,
	.get = uring_get,
	.set = uring_set,
	.release = uring_release,
};
