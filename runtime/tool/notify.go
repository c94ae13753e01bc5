package tool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"path/filepath"

	"github.com/molecule-ai/workspace-runtime-go/registry"
)

type messageInput struct {
	Message     string   `json:"message" jsonschema:"what the user reads; Markdown"`
	Attachments []string `json:"attachments,omitempty" jsonschema:"absolute paths of files to send along, at most 25 MiB each and 50 MiB together"`
}

type sentMessage struct {
	Sent        bool     `json:"sent"`
	Attachments []string `json:"attachments,omitempty"`
}

// ModelText says that it is done.
func (s sentMessage) ModelText() string {
	if n := len(s.Attachments); n > 0 {
		return fmt.Sprintf("The user has the message, with %d file(s).", n)
	}
	return "The user has the message."
}

func (p Platform) sendMessageToUser() *Tool {
	return New("send_message_to_user",
		"Shows the user a message now, beside the answer to what they have asked: progress of long work, a result that came later. "+
			"Files go into attachments, as paths; never write paths or links to local files into the message, the user cannot open them.",
		func(ctx context.Context, in messageInput) (sentMessage, error) {
			files, err := p.Files.open(in.Attachments)
			if err != nil {
				return sentMessage{}, err
			}
			defer closeAll(files)
			request := registry.NotifyRequest{Message: in.Message}
			out := sentMessage{Sent: true}
			if len(files) > 0 {
				if request.Attachments, err = p.upload(ctx, files); err != nil {
					return sentMessage{}, err
				}
				for _, a := range request.Attachments {
					out.Attachments = append(out.Attachments, a.Name)
				}
			}
			if err := p.Client.Notify(ctx, request); err != nil {
				return sentMessage{}, explain(err, "the user may have the message all the same: do not send it twice")
			}
			return out, nil
		}, NotBlank("message"), WithHints(Hints{Title: "Message the user", OpenWorld: true}))
}

// upload gives open files to the platform. All of them arrive, or there is no
// message.
func (p Platform) upload(ctx context.Context, files []*openFile) ([]registry.Attachment, error) {
	uploads := make([]registry.Upload, len(files))
	for i, f := range files {
		uploads[i] = registry.Upload{
			Name: f.name, MIMEType: mime.TypeByExtension(filepath.Ext(f.name)), Size: f.size,
			// What was checked is what is sent: the file is not opened again.
			Open: func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(f, 0, f.size)), nil },
		}
	}
	sent, err := p.Client.UploadFiles(ctx, uploads...)
	if errors.Is(err, registry.ErrUnavailable) {
		return nil, Fail(err, "the platform takes no files for this workspace now: send the message without them")
	}
	if err != nil {
		return nil, explain(err, "the user has no message yet: try again")
	}
	return sent, nil
}
