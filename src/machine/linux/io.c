/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Choose an I/O back end, and pass the operations of machine_io.h on to it.
 *
 * THEORY
 * The table lists the back ends in order of preference; the first one that
 * the host allows serves all CPUs of a boot.  LWKT_IO=uring or epoll insists:
 * if that one is refused, the boot fails rather than test something else.
 */
#include <errno.h>
#include <lwkt/panic.h>
#include <stdlib.h>
#include <string.h>

#include "base/kassert.h"
#include "machine/linux/host.h"
#include "machine/machine_io.h"

struct io_choice {
	const char *ic_env;		/* value of LWKT_IO */
	const struct linux_iops *ic_ops;
};

static const struct io_choice choices[] = {
	{ NULL, NULL }			/* the end */
};

const struct linux_iops *lwkt__iops;

int
lwkt__io_boot(void)
{
	const char *want = getenv("LWKT_IO");
	const struct io_choice *ic;
	int error, known = 0;

	lwkt__iops = NULL;
	for (ic = choices; ic->ic_ops != NULL; ic++) {
		if (want != NULL && strcmp(want, ic->ic_env) != 0)
			continue;
		known = 1;
		error = ic->ic_ops->io_probe();
		if (error == 0) {
			lwkt__iops = ic->ic_ops;
			return 0;
		}
		if (want != NULL) {
			lwkt_printf("lwkt: LWKT_IO=%s: the host refuses it "
			    "(errno %d)", want, error);
			return error;
		}
	}
	if (want != NULL && !known && choices[0].ic_ops != NULL) {
		lwkt_printf("lwkt: LWKT_IO=%s: no such back end", want);
		return EINVAL;
	}
	return 0;
}

static const struct linux_iops *
iops(void)
{
	KASSERT(lwkt__iops != NULL);
	return lwkt__iops;
}

int64_t
machine_io_try(struct hostio *io)
{
	return iops()->io_try(myhost(), io);
}

void
machine_io_submit(struct hostio *io)
{
	iops()->io_submit(myhost(), io);
}

void
machine_io_cancel(struct hostio *io)
{
	iops()->io_cancel(myhost(), io);
}

int
machine_io_poll(void)
{
	return lwkt__iops != NULL ? lwkt__iops->io_poll(myhost()) : 0;
}

unsigned
machine_io_pending(void)
{
	return lwkt__iops != NULL ? lwkt__iops->io_pending(myhost()) : 0;
}

const char *
machine_io_name(void)
{
	return lwkt__iops != NULL ? lwkt__iops->io_name : "none";
}
