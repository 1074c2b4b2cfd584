"""The outside of a frame: type, sid, seq, msg and the sending time, in one of several orders. Pure."""

LAYOUTS = 4


def frame(layout: int, type_: str, sid: int, seq: int | None, msg: str, now_ms: int, id_: int | None = None) -> bytes:
    """Bytes of one frame. `layout` chooses the order of members; bit 4 asks for a newline at the end."""
    tail = "}\n" if layout & 16 else "}"
    seq_part = "" if seq is None else f'"seq":{seq},'
    id_part = "" if id_ is None else f'"id":{id_},'
    kind = layout & 3
    if kind == 0:
        out = f'{{"type":"{type_}",{id_part}"sid":{sid},{seq_part}"msg":{msg},"sending_ts_ms":{now_ms}{tail}'
    elif kind == 1:
        out = f'{{"type":"{type_}","sending_ts_ms":{now_ms},"sid":{sid},{seq_part}{id_part}"msg":{msg}{tail}'
    elif kind == 2:
        out = f'{{"sid":{sid},{seq_part}{id_part}"type":"{type_}","msg":{msg},"sending_ts_ms":{now_ms}{tail}'
    else:
        out = f'{{"msg":{msg},{seq_part}"sid":{sid},{id_part}"sending_ts_ms":{now_ms},"type":"{type_}"{tail}'
    return out.encode()


def reply(type_: str, now_ms: int, id_: int | None, sid: int | None, seq: int | None, msg: str | None) -> bytes:
    """A command's answer; what is None is left out. An id of 0 counts as none."""
    parts = [f'"type":"{type_}"']
    if id_:
        parts.insert(0, f'"id":{id_}')
    if sid is not None:
        parts.append(f'"sid":{sid}')
    if seq is not None:
        parts.append(f'"seq":{seq}')
    if msg is not None:
        parts.append(f'"msg":{msg}')
    parts.append(f'"sending_ts_ms":{now_ms}')
    return ("{" + ",".join(parts) + "}").encode()
