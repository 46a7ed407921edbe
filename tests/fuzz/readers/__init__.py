"""Every reader of outside data: what people write, what data holds, what is stored and sent."""

from tests.fuzz.readers import data, events, records, spec, texts

ALL = (*spec.READERS, *texts.READERS, *data.READERS, *records.READERS, *events.READERS)
BY_NAME = {reader.name: reader for reader in ALL}
