// SPDX-License-Identifier: GPL-2.0
/*
 * A pin of the module's: pin_user_pages_fast(), for long or not, held over some uses. As
 * long as it is held, the pinned page must stay the one that is mapped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../../include/mmrace_abi.h"
#include "device.h"
#include "race.h"
#include "ways.h"

#define PIN_USES 32	/* through one pin, before it is given back */

static int device = -1;

/* The peer's alone, and in shared memory: see ways.c. */
static struct {
	struct mmrace_pin pin;
	struct mmrace_unpin unpin;
	struct mmrace_io io;
	uint64_t value;
	uintptr_t pinned;
	uint32_t id;
	unsigned int uses;
} *peer;

static const char *pin_setup(void)
{
	const char *missing;

	peer = race_shared(sizeof(*peer));
	device = device_open(MMRACE_HAS_PIN, &missing);
	return device < 0 ? missing : NULL;
}

static void pin_release(void)
{
	peer->unpin = (struct mmrace_unpin){ .id = peer->id, .dirty = 1 };
	if (peer->pinned && ioctl(device, MMRACE_IOC_UNPIN, &peer->unpin))
		race_error("MMRACE_IOC_UNPIN: %s", strerror(errno));
	peer->pinned = 0;
}

static void pin(uintptr_t page)
{
	if (page == peer->pinned && peer->uses % PIN_USES)
		return;
	pin_release();
	peer->pin = (struct mmrace_pin){
		.addr = page,
		.nr_pages = 1,
		.flags = MMRACE_PIN_WRITE |
			 (peer->uses & 1 ? MMRACE_PIN_LONGTERM : 0),
	};
	if (ioctl(device, MMRACE_IOC_PIN, &peer->pin))
		race_error("MMRACE_IOC_PIN: %s", strerror(errno));
	peer->pinned = page;
	peer->id = peer->pin.id;
}

static void transfer(volatile uint64_t *p, uint32_t op)
{
	uintptr_t page = (uintptr_t)p & -race_page_size();

	pin(page);
	peer->uses++;
	peer->io = (struct mmrace_io){
		.id = peer->id,
		.where = (uintptr_t)p - page,
		.buf = (uintptr_t)&peer->value,
		.len = sizeof(peer->value),
		.op = op,
	};
	if (ioctl(device, MMRACE_IOC_PIN_IO, &peer->io))
		race_error("MMRACE_IOC_PIN_IO: %s", strerror(errno));
}

static uint64_t pin_get(volatile uint64_t *p)
{
	transfer(p, MMRACE_IO_READ);
	return peer->value;
}

static void pin_set(volatile uint64_t *p, uint64_t value)
{
	peer->value = value;
	transfer(p, MMRACE_IO_WRITE);
}

const struct way way_pin = {
	.name = "pin",
	.pins_for_long = true,
	.setup = pin_setup,
	.get = pin_get,
	.set = pin_set,
	.release = pin_release,
};
