package temporal

import (
	"testing"

	common "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"
)

// reverse is a codec that can be seen through.
type reverse struct{}

func (reverse) Encode(payloads []*common.Payload) ([]*common.Payload, error) {
	var out []*common.Payload
	for _, p := range payloads {
		turned := &common.Payload{Metadata: p.Metadata}
		for _, b := range p.Data {
			turned.Data = append([]byte{b}, turned.Data...)
		}
		out = append(out, turned)
	}
	return out, nil
}

func (r reverse) Decode(payloads []*common.Payload) ([]*common.Payload, error) {
	return r.Encode(payloads)
}

// counting is a data converter of somebody's own.
type counting struct {
	converter.DataConverter
	used int
}

func (c *counting) ToPayload(value any) (*common.Payload, error) {
	c.used++
	return c.DataConverter.ToPayload(value)
}

// TestTheCodecIsUsedWhateverWithClientSets: a secret is not sent in clear because
// somebody has brought a converter.
func TestTheCodecIsUsedWhateverWithClientSets(t *testing.T) {
	own := &counting{DataConverter: converter.GetDefaultDataConverter()}
	d := newDurability([]Option{WithPayloadCodec(reverse{}), WithClient(func(o *client.Options) { o.DataConverter = own })})
	d.options()
	p, err := d.cfg.client.DataConverter.ToPayload("abc")
	if err != nil || string(p.GetData()) != `"cba"` || own.used != 1 {
		t.Errorf("%s, %v; the own converter was used %d times", p.GetData(), err, own.used)
	}
	f := d.cfg.client.FailureConverter.ErrorToFailure(sdk.NewApplicationError("abc", "kind"))
	if f.GetMessage() == "abc" {
		t.Error("the message of a failure is not encoded")
	}
}
