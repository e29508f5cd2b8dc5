# Completion of igc for fish: igc completion fish
function __igc_complete
    set -l line (commandline -cp)
    for item in (env _IGC_COMPLETE=fish _IGC_LINE="$line" igc 2>/dev/null)
        set -l part (string split \t -- $item)
        # What fish completes itself: files after --option= too.
        set -l typed (string replace -r '^--[\w-]+=' '' -- $part[2])
        switch $part[1]
            case plain
                echo $part[2]\t$part[3]
            case dir
                __fish_complete_directories $typed
            case file
                __fish_complete_path $typed
            case certificates
                set -l found (__fish_complete_path $typed | \
                    string match -r '.*(?:/|\.(?:pem|crt|cer|der|p7b|p7c|p12|pfx|zip|tar|gz|tgz))(?:\t.*)?$')
                if test (count $found) -gt 0
                    printf '%s\n' $found
                else
                    __fish_complete_path $typed
                end
        end
    end
end

complete --no-files --command igc --arguments '(__igc_complete)'
