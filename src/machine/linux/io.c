/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Choose an I/O back end, and pass the operations of machine_io.h to it.
 *
 * THEORY
 * The table lists the back ends in order of preference.  The first one that the
 * host allows serves all CPUs of a boot.  LWKT_IO=epoll or io_uring (or uring)
 * selects one.  If the host refuses that one, a line is printed and another one
 * serves.  If the host refuses all, the boot fails.  If LWKT_IO has an unknown
 * name, the boot fails with EINVAL.
 */
#include <errno.h>
#include <lwkt/panic.h>
#include <stdlib.h>
#include <string.h>

#include "base/kassert.h"
#include "machine/linux/hostcall.h"

/* Why this order: docs/adr/0003-io.md. */
static const struct io_choice {
	const char	*ic_env;	/* value of LWKT_IO */
	const struct linux_iops *ic_ops;
} choices[] = {
	{ "epoll", &lwkt__io_epoll },
	{ "io_uring", &lwkt__io_uring },
	{ "uring", &lwkt__io_uring },
};

/*
 * Store the back end that LWKT_IO names, or NULL if LWKT_IO is not set or
 * empty.  Returns 0, or EINVAL if the name is unknown.
 */
static int
io_preferred(const struct linux_iops **opsp)
{
	const char *want = getenv("LWKT_IO");

	*opsp = NULL;
	if (want == NULL || *want == '\0')
		return 0;
	for (size_t i = 0; i < nitems(choices); i++)
		if (strcmp(want, choices[i].ic_env) == 0)
			*opsp = choices[i].ic_ops;
	if (*opsp != NULL)
		return 0;
	lwkt_printf("lwkt: LWKT_IO=%s: must be epoll or io_uring", want);
	return EINVAL;
}

int
lwkt__io_boot(void)
{
	const struct linux_iops *ops;
	int error = io_preferred(&ops);

	lwkt__iops = NULL;
	if (error != 0)
		return error;
	if (ops != NULL) {
		error = ops->io_probe();
		if (error == 0)
			lwkt__iops = ops;
		else
			lwkt_printf("lwkt: the host refuses %s (errno %d)",
			    ops->io_name, error);
	}
	for (size_t i = 0; i < nitems(choices) && lwkt__iops == NULL; i++) {
		error = choices[i].ic_ops->io_probe();
		if (error == 0)
			lwkt__iops = choices[i].ic_ops;
	}
	if (lwkt__iops == NULL)
		lwkt__limit_refused(0, "epoll and io_uring", error,
		    LIMIT_FILES);
	return lwkt__iops != NULL ? 0 : error;
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

void
machine_io_forget(int fd)
{
	iops()->io_forget(myhost(), fd);
}

int
machine_io_nonblock(int fd)
{
	return hostkind_nonblock(fd);
}

const struct hostio_stats *
machine_io_stats(void)
{
	return iops()->io_stats(myhost());
}

const char *
machine_io_name(void)
{
	return lwkt__iops != NULL ? lwkt__iops->io_name : "none";
}
