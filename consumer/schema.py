"""The contract for other programs: JSON Schema of the event and an AsyncAPI 3.0 document, both made from the models.

Golden copies in the tests keep them in step; nothing here is read by the service itself.
"""

from typing import Any, Final

from consumer import names
from consumer.events_model import Event

SCHEMA_ID: Final = "urn:mailroom:event:v1"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PARTITION: Final = (
    "int(md5(organizationid).hexdigest()[:8], 16) % partitions, as two decimal digits: the first four bytes of the "
    "MD5 of the UTF-8 text, read as a big-endian number. Optional: without it the event takes one hop more."
)


def event_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event.

    It is as strict as JSON Schema allows; a few rules (unique ``cid``, bytes rather than characters of ``id``, real
    dates, addresses) are checked by Mailroom only.
    """
    schema = Event.model_json_schema(mode="validation", by_alias=True)
    schema["propertyNames"] = {"pattern": "^[a-z0-9]{1,64}$"}
    schema["additionalProperties"] = {
        "type": ["string", "integer", "boolean", "null"],
        "description": "CloudEvents extension attributes; ignored",
    }
    data = schema["$defs"]["Data"]
    data["allOf"] = [
        {"anyOf": [{"required": ["text"]}, {"required": ["html"]}]},
        {"anyOf": [{"required": ["to"]}, {"required": ["cc"]}, {"required": ["bcc"]}]},
    ]
    return {"$schema": _DIALECT, "$id": SCHEMA_ID, **schema}


def asyncapi(partitions: int, version: str) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of Mailroom: what it receives and what it tells.

    ``partitions`` goes into the description of the header ``mailroom-partition``; ``version`` is Mailroom's own.
    """
    return {
        "asyncapi": "3.0.0",
        "id": "urn:mailroom",
        "info": {
            "title": "Mailroom",
            "version": version,
            "description": "One event is one e-mail of one organisation. Publish persistent, mandatory, with confirms.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": names.CONTENT_TYPE,
        "channels": {
            "notifications": {
                "address": None,
                "description": "Any routing key; by convention the event's type.",
                "messages": {"notification": {"$ref": "#/components/messages/notification"}},
                "bindings": {"amqp": _channel(names.NOTIFICATIONS)},
            },
            "told": {
                "address": None,
                "description": "What Mailroom tells the platform, without personal data; the routing key is the type.",
                "messages": {"notice": {"$ref": "#/components/messages/notice"}},
                "bindings": {"amqp": _channel(names.EVENTS)},
            },
        },
        "operations": {
            "receiveNotification": {
                "action": "receive",
                "channel": {"$ref": "#/channels/notifications"},
                "messages": [{"$ref": "#/channels/notifications/messages/notification"}],
                "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "ack": True, "bindingVersion": "0.3.0"}},
            },
            "sendNotice": {
                "action": "send",
                "channel": {"$ref": "#/channels/told"},
                "messages": [{"$ref": "#/channels/told/messages/notice"}],
            },
        },
        "components": {"messages": {"notification": _notification(partitions), "notice": _notice()}},
    }


def _channel(exchange: str) -> dict[str, Any]:
    described = {"name": exchange, "type": "topic", "durable": True, "autoDelete": False}
    return {"is": "routingKey", "exchange": described, "bindingVersion": "0.3.0"}


def _notification(partitions: int) -> dict[str, Any]:
    return {
        "name": "notification",
        "title": "An e-mail to be sent",
        "summary": "CloudEvents 1.0, structured mode. AMQP properties: content_type as given here, delivery_mode 2, "
        "message_id equal to the event's id, type equal to the event's type.",
        "contentType": names.CONTENT_TYPE,
        "headers": {
            "type": "object",
            "properties": {
                names.H_ORGANIZATION: {
                    "type": "string",
                    "description": "Equal to the attribute in the body, otherwise the event is refused.",
                },
                names.H_PARTITION: {
                    "type": "string",
                    "pattern": "^[0-9]{2}$",
                    "description": f"{_PARTITION} There are {partitions} partitions here.",
                },
            },
        },
        "bindings": {"amqp": {"messageType": "notification", "bindingVersion": "0.3.0"}},
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": event_schema(),
        },
    }


def _notice() -> dict[str, Any]:
    kinds = [
        "organization.transport.suspended",
        "organization.transport.recovered",
        "notification.handed_off",
        "notification.dead",
        "notification.expired",
    ]
    texts = {
        "organization": "the organisation",
        "transport": "smtp, microsoft365 or gmail",
        "code": "reason code of a suspension",
        "event_id": "id of the event that ended; only when MAILROOM_NOTIFY_EVENTS is on",
        "reason": "reason code of the end",
    }
    return {
        "name": "notice",
        "title": "What became of a transport or an event",
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "required": ["type", "time", "organization"],
            "properties": {
                "type": {"type": "string", "enum": kinds},
                "time": {"type": "string", "format": "date-time"},
                **{name: {"type": "string", "description": text} for name, text in texts.items()},
            },
        },
    }
