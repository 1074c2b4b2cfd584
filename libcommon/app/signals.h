#ifndef SIGNALS_H
#define SIGNALS_H
#endif
