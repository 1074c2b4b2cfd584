#ifndef SIM_SERVICE_H
#define SIM_SERVICE_H

#include "sim_proc.h"

/* The programs with settings of this history's choosing. */

const struct proc_program *service_ingest(void);
const struct proc_program *service_enricher(void);
const struct proc_program *service_sink(void);

#endif
