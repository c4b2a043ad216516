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
static uintptr_t pinned;
static uint32_t id;
static unsigned int uses;

static const char *pin_setup(void)
{
	const char *missing;

	device = device_open(MMRACE_HAS_PIN, &missing);
	return device < 0 ? missing : NULL;
}

static void pin_release(void)
{
	struct mmrace_unpin unpin = { .id = id, .dirty = 1 };

	if (pinned && ioctl(device, MMRACE_IOC_UNPIN, &unpin))
		race_error("MMRACE_IOC_UNPIN: %s", strerror(errno));
	pinned = 0;
}

static void pin(uintptr_t page)
{
	struct mmrace_pin pin = {
		.addr = page,
		.nr_pages = 1,
		.flags = MMRACE_PIN_WRITE | (uses & 1 ? MMRACE_PIN_LONGTERM : 0),
	};

	if (page == pinned && uses % PIN_USES)
		return;
	pin_release();
	if (ioctl(device, MMRACE_IOC_PIN, &pin))
		race_error("MMRACE_IOC_PIN: %s", strerror(errno));
	pinned = page;
	id = pin.id;
}

static void transfer(volatile uint64_t *p, uint64_t *value, uint32_t op)
{
	uintptr_t page = (uintptr_t)p & -race_page_size();
	struct mmrace_io io = {
		.where = (uintptr_t)p - page,
		.buf = (uintptr_t)value,
		.len = sizeof(*value),
		.op = op,
	};

	pin(page);
	uses++;
	io.id = id;
	if (ioctl(device, MMRACE_IOC_PIN_IO, &io))
		race_error("MMRACE_IOC_PIN_IO: %s", strerror(errno));
}

static uint64_t pin_get(volatile uint64_t *p)
{
	uint64_t value;

	transfer(p, &value, MMRACE_IO_READ);
	return value;
}

static void pin_set(volatile uint64_t *p, uint64_t value)
{
	transfer(p, &value, MMRACE_IO_WRITE);
}

const struct way way_pin = {
	.name = "pin",
	.setup = pin_setup,
	.get = pin_get,
	.set = pin_set,
	.release = pin_release,
};
