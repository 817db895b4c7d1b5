/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_boot: the first thread, and its value.
 *
 * THEORY
 * kern/ brings the CPUs up but has no stack to give; so the first thread is
 * made here, by CPU 0's boot hook, in its idle thread.  When main returns it
 * asks every CPU to stop and blocks for good; the host brings the CPUs home
 * and the caller goes on where it called.
 */
#include <errno.h>
#include <lwkt/boot.h>
#include <string.h>

#include "base/kassert.h"
#include "kern/boot/boot_var.h"
#include "kern/boot/sysinit.h"
#include "kern/cpu/globaldata.h"

/* One boot at a time (kern_boot_prepare says EBUSY), so this is one. */
static struct {
	int	(*mn_fn)(void *);
	void	*mn_arg;
	int	 mn_result;
	int	 mn_error;
} mn;

static void
main_thread(void *arg)
{
	(void)arg;
	mn.mn_result = mn.mn_fn(mn.mn_arg);
	kern_stop();
	for (;;)		/* never switched to again */
		lwkt_switch();
}

static void
vm_boot_cpu(struct globaldata *gd)
{
	if (gd->gd_m.mc_cpuid != 0)
		return;
	mn.mn_error = lwkt_create(main_thread, NULL, NULL, NULL, 0, 0, "main");
	if (mn.mn_error != 0)
		kern_stop();
}

SYSINIT(SI_STAT + 1, vm_boot, NULL, vm_boot_cpu, NULL, NULL);

int
lwkt_boot_result(const struct lwkt_config *cfg, int (*main_fn)(void *),
    void *arg, int *resultp)
{
	int error;

	if (machine_forked()) {
		lwkt_printf("lwkt: a child of fork cannot boot: it has a copy "
		    "of the kernel that runs in its parent");
		return EBUSY;
	}
	if (machine_oncpu() != NULL)
		return EBUSY;
	if ((error = kern_boot_prepare(cfg)) != 0)
		return error;
	mn.mn_fn = main_fn;
	mn.mn_arg = arg;
	mn.mn_result = 0;
	mn.mn_error = 0;
	if ((error = kern_boot_run()) == 0)
		error = mn.mn_error;
	kern_boot_release();
	if (error == 0 && resultp != NULL)
		*resultp = mn.mn_result;
	return error;
}

int
lwkt_boot(const struct lwkt_config *cfg, int (*main_fn)(void *), void *arg)
{
	int result = -1;
	int error = lwkt_boot_result(cfg, main_fn, arg, &result);

	if (error != 0) {
		lwkt_printf("lwkt: boot failed: %s", strerror(error));
		return -1;
	}
	return result;
}
